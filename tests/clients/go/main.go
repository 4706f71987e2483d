// The client of openapi-generator's go: every operation, a conflict, a refused caller.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"strconv"
	"time"

	client "glance-revert.invalid/client"
)

func main() {
	if err := run(); err != nil {
		fmt.Fprintln(os.Stderr, err)
		os.Exit(1)
	}
}

func run() error {
	golden, alive := os.Getenv("GLANCE_REVERT_GOLDEN"), os.Getenv("GLANCE_REVERT_ALIVE")
	settings := client.NewConfiguration()
	settings.Servers = client.ServerConfigurations{{URL: os.Getenv("GLANCE_REVERT_URL")}}
	api := client.NewAPIClient(settings)
	nobody := context.Background()
	admin := context.WithValue(nobody, client.ContextAccessToken, os.Getenv("GLANCE_REVERT_TOKEN"))

	if err := versions(nobody, api); err != nil {
		return err
	}
	page, _, err := api.PendingDeletesAPI.ListPendingDeletes(admin).Limit(2).Execute()
	if err != nil || len(page.PendingDeletes) != 2 || page.Next == nil {
		return fmt.Errorf("list: %v %v", page, err)
	}
	newest := page.PendingDeletes[0].DeletedAt
	page, _, err = api.PendingDeletesAPI.ListPendingDeletes(admin).DeletedAfter(newest).Execute()
	if err != nil || len(page.PendingDeletes) != 1 {
		return fmt.Errorf("list after: %v %v", page, err)
	}
	preview, _, err := api.PendingDeletesAPI.GetPendingDelete(admin, golden).Execute()
	if err != nil || !preview.Revertible || preview.Locations[0].Data != "present" {
		return fmt.Errorf("preview: %v %v", preview, err)
	}
	lost, err := strconv.ParseInt(os.Getenv("GLANCE_REVERT_LOST"), 10, 64)
	if err != nil {
		return err
	}
	project, kernel := os.Getenv("GLANCE_REVERT_PROJECT"), os.Getenv("GLANCE_REVERT_KERNEL")
	if err := night(admin, api, project, kernel, lost); err != nil {
		return err
	}
	return revert(nobody, admin, api, golden, alive)
}

// night stops the scrubber, lists, plans, brings back, releases and checks the audit.
func night(admin context.Context, api *client.APIClient, project, kernel string, lost int64) error {
	request := client.NewTermRequest()
	request.SetReason("deleted by mistake")
	paused, _, err := api.ScrubberAPI.PauseScrubber(admin).TermRequest(*request).Execute()
	if err != nil || paused.ClaimsInHand != 0 || paused.Pause.GetReason() != "deleted by mistake" {
		return fmt.Errorf("pause: %v %v", paused, err)
	}
	status, _, err := api.ScrubberAPI.GetScrubber(admin).Execute()
	if err != nil || status.State != "paused" {
		return fmt.Errorf("status: %v %v", status, err)
	}
	summary, _, err := api.PendingDeletesAPI.SummarizePendingDeletes(admin).GroupBy("burst").Execute()
	if err != nil || summary.Groups[0].GetProject() != project || summary.Groups[0].Images != lost {
		return fmt.Errorf("summary: %v %v", summary, err)
	}
	retained, _, err := api.PendingDeletesAPI.ListRetainedImages(admin).Limit(2).Execute()
	if err != nil || len(retained.RetainedImages) != 0 {
		return fmt.Errorf("retained: %v %v", retained, err)
	}
	since := summary.Groups[0].FirstDeletedAt
	plan, _, err := api.ScrubberAPI.GetScrubPlan(admin).Within(31536000).Execute()
	if err != nil || plan.Images <= lost {
		return fmt.Errorf("plan: %v %v", plan, err)
	}
	leave := client.NewAcceptRequest(1)
	accepted, _, err := api.ScrubberAPI.AcceptScrub(admin).AcceptRequest(*leave).Execute()
	if err != nil || accepted.Images != 1 {
		return fmt.Errorf("accept: %v %v", accepted, err)
	}
	if err := hold(admin, api, project, kernel, since, lost); err != nil {
		return err
	}
	if err := bringBack(admin, api, project, since, lost); err != nil {
		return err
	}
	page, _, err := api.AuditAPI.ListAudit(admin).Operation("revertImage").Limit(1000).Execute()
	if err != nil || int64(len(page.Audit)) != lost || page.Audit[0].GetOwner() != project {
		return fmt.Errorf("audit: %v %v", page, err)
	}
	resumed, _, err := api.ScrubberAPI.ResumeScrubber(admin).Execute()
	if err != nil || !resumed.WasPaused {
		return fmt.Errorf("resume: %v %v", resumed, err)
	}
	return nil
}

func hold(admin context.Context, api *client.APIClient, project, kernel string, since time.Time, lost int64) error {
	one, _, err := api.PendingDeletesAPI.HoldImage(admin, kernel).Execute()
	if err != nil || one.Hold.Until.Get() != nil {
		return fmt.Errorf("hold: %v %v", one, err)
	}
	released, _, err := api.PendingDeletesAPI.ReleaseImage(admin, kernel).Execute()
	if err != nil || !released.WasHeld {
		return fmt.Errorf("release: %v %v", released, err)
	}
	holds := client.NewHoldRequest()
	holds.SetOwner(project)
	holds.SetDeletedAfter(since)
	held, _, err := api.PendingDeletesAPI.HoldImages(admin).HoldRequest(*holds).Execute()
	if err != nil || held.Done != lost {
		return fmt.Errorf("hold many: %v %v", held, err)
	}
	releases := client.NewReleaseRequest()
	releases.SetOwner(project)
	left, _, err := api.PendingDeletesAPI.ReleaseImages(admin).ReleaseRequest(*releases).Execute()
	if err != nil || left.Done != lost {
		return fmt.Errorf("release many: %v %v", left, err)
	}
	return nil
}

func bringBack(admin context.Context, api *client.APIClient, project string, since time.Time, lost int64) error {
	selection := client.NewBulkRevertRequest()
	selection.SetOwner(project)
	selection.SetDeletedAfter(since)
	selection.SetDryRun(true)
	done, _, err := api.PendingDeletesAPI.BulkRevert(admin).BulkRevertRequest(*selection).Execute()
	if err != nil || !done.DryRun || done.Counts.Reverted != lost {
		return fmt.Errorf("dry run of many: %v %v", done, err)
	}
	selection.SetDryRun(false)
	selection.SetExpectedCount(lost)
	done, _, err = api.PendingDeletesAPI.BulkRevert(admin).BulkRevertRequest(*selection).Execute()
	if err != nil || done.Counts.Reverted != lost || done.Remaining != 0 || done.Marker.Get() != nil {
		return fmt.Errorf("revert of many: %v %v", done, err)
	}
	for _, one := range done.Results {
		if one.Outcome != "reverted" || one.Restored.Tags != 1 {
			return fmt.Errorf("revert of many: %v", one)
		}
	}
	return nil
}

func versions(nobody context.Context, api *client.APIClient) error {
	one, _, err := api.VersionsAPI.GetVersions(nobody).Execute()
	if err != nil || one.Versions[0].Id != "v2.0" {
		return fmt.Errorf("getVersions: %v", err)
	}
	if _, _, err = api.VersionsAPI.ListVersions(nobody).Execute(); err != nil {
		return fmt.Errorf("listVersions: %v", err)
	}
	if _, _, err = api.VersionsAPI.GetV2(nobody).Execute(); err != nil {
		return fmt.Errorf("getV2: %v", err)
	}
	document, _, err := api.VersionsAPI.GetOpenapi(nobody).Execute()
	if err != nil || document.Openapi != "3.0.3" {
		return fmt.Errorf("getOpenapi: %v", err)
	}
	return nil
}

func revert(nobody, admin context.Context, api *client.APIClient, golden, alive string) error {
	dry := client.NewRevertRequest()
	dry.SetDryRun(true)
	_, answer, err := api.ImagesAPI.RevertImage(admin, golden).RevertRequest(*dry).Execute()
	if err != nil || answer.Header.Get("OpenStack-Image-Revert-Dry-Run") != "true" {
		return fmt.Errorf("dry run: %v", err)
	}
	image, _, err := api.ImagesAPI.RevertImage(admin, golden).Execute()
	if err != nil || image.Status != "active" || image.AdditionalProperties["os_distro"] != "debian" {
		return fmt.Errorf("revert: %v %v", image, err)
	}
	_, _, err = api.ImagesAPI.RevertImage(admin, alive).Execute()
	if word := reason(err); word != "image.already_active" {
		return fmt.Errorf("conflict: %q of %v", word, err)
	}
	_, _, err = api.ImagesAPI.RevertImage(nobody, golden).Execute()
	if word := reason(err); word != "auth.token_missing" {
		return fmt.Errorf("refused: %q of %v", word, err)
	}
	return nil
}

func reason(err error) string {
	var failure *client.GenericOpenAPIError
	if !errors.As(err, &failure) {
		return ""
	}
	body, found := failure.Model().(client.Error)
	if !found {
		return ""
	}
	return body.Error.Reason
}
