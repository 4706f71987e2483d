// The client of openapi-generator's go: every operation, a conflict, a refused caller.
package main

import (
	"context"
	"errors"
	"fmt"
	"os"

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
	if err := scrub(admin, api); err != nil {
		return err
	}
	return revert(nobody, admin, api, golden, alive)
}

func scrub(admin context.Context, api *client.APIClient) error {
	plan, _, err := api.ScrubberAPI.GetScrubPlan(admin).Within(31536000).Execute()
	if err != nil || plan.Images != 4 {
		return fmt.Errorf("plan: %v %v", plan, err)
	}
	request := client.NewAcceptRequest(1)
	accepted, _, err := api.ScrubberAPI.AcceptScrub(admin).AcceptRequest(*request).Execute()
	if err != nil || accepted.Images != 1 {
		return fmt.Errorf("accept: %v %v", accepted, err)
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
