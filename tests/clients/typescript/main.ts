// The client of openapi-generator's typescript-fetch: every operation, a conflict, a refused caller.
import assert from 'node:assert/strict';
import {
    AuditApi,
    Configuration,
    ImagesApi,
    PendingDeletesApi,
    ResponseError,
    ScrubberApi,
    VersionsApi,
} from './client/index.js';

const { GLANCE_REVERT_URL: basePath = '', GLANCE_REVERT_TOKEN: accessToken = '' } = process.env;
const { GLANCE_REVERT_GOLDEN: golden = '', GLANCE_REVERT_ALIVE: alive = '' } = process.env;
const { GLANCE_REVERT_PROJECT: project = '', GLANCE_REVERT_KERNEL: kernel = '' } = process.env;
const lost = Number(process.env.GLANCE_REVERT_LOST);

/** The status and reason of a refused call. */
async function refusal(call: Promise<unknown>): Promise<[number, string]> {
    try {
        await call;
    } catch (error) {
        assert(error instanceof ResponseError, String(error));
        const body = await error.response.json();
        return [error.response.status, body.error.reason];
    }
    throw new Error('it was not refused');
}

const nobody = new Configuration({ basePath });
const versions = new VersionsApi(nobody);
assert.equal((await versions.getVersions()).versions[0]?.id, 'v2.0');
assert.equal((await versions.listVersions()).versions[0]?.id, 'v2.0');
assert.equal((await versions.getV2()).versions[0]?.id, 'v2.0');
assert.equal((await versions.getOpenapi()).openapi, '3.0.3');

const admin = new Configuration({ basePath, accessToken });
const pending = new PendingDeletesApi(admin);
const page = await pending.listPendingDeletes({ limit: 2 });
assert.equal(page.pendingDeletes.length, 2);
assert.match(page.next ?? '', /^\/v2\/pending-deletes\?/);
const newest = await pending.listPendingDeletes({ deletedAfter: page.pendingDeletes[0]!.deletedAt });
assert.equal(newest.pendingDeletes.length, 1);
const preview = await pending.getPendingDelete({ imageId: golden });
assert.equal(preview.revertible, true);
assert.equal(preview.locations[0]?.data, 'present');

// The steps of an operator's night: stop, see, plan, bring back, release, prove.
const scrubber = new ScrubberApi(admin);
const paused = await scrubber.pauseScrubber({ termRequest: { reason: 'deleted by mistake' } });
assert.equal(paused.claimsInHand, 0);
assert.equal(paused.pause.reason, 'deleted by mistake');
assert.equal((await scrubber.getScrubber()).state, 'paused');
assert.deepEqual((await pending.listRetainedImages({ limit: 2 })).retainedImages, []);
const burst = (await pending.summarizePendingDeletes({ groupBy: 'burst' })).groups[0]!;
assert.deepEqual([burst.project, burst.images], [project, lost]);
assert((await scrubber.getScrubPlan({ within: 31536000 })).images > lost);
assert.equal((await scrubber.acceptScrub({ acceptRequest: { images: 1 } })).images, 1);
assert.equal((await pending.holdImage({ imageId: kernel })).hold.until, null);
assert.equal((await pending.releaseImage({ imageId: kernel })).wasHeld, true);
const burstOnly = { owner: project, deletedAfter: burst.firstDeletedAt };
assert.equal((await pending.holdImages({ holdRequest: burstOnly })).done, lost);
assert.equal((await pending.releaseImages({ releaseRequest: { owner: project } })).done, lost);
const planned = await pending.bulkRevert({ bulkRevertRequest: { ...burstOnly, dryRun: true } });
assert.equal(planned.counts.reverted, lost);
const done = await pending.bulkRevert({ bulkRevertRequest: { ...burstOnly, expectedCount: lost } });
assert.deepEqual([done.counts.reverted, done.remaining, done.marker], [lost, 0, null]);
assert(done.results.every((one) => one.outcome === 'reverted' && one.restored?.tags === 1));
const { audit } = await new AuditApi(admin).listAudit({ operation: 'revertImage', limit: 1000 });
assert.equal(audit.length, lost);
assert.deepEqual([audit[0]?.owner, audit[0]?.source], [project, 'api']);
assert.equal((await scrubber.resumeScrubber()).wasPaused, true);

const images = new ImagesApi(admin);
const tried = await images.revertImageRaw({ imageId: golden, revertRequest: { dryRun: true } });
assert.equal(tried.raw.headers.get('OpenStack-Image-Revert-Dry-Run'), 'true');
const image = await images.revertImage({ imageId: golden });
assert.equal(image.status, 'active');
assert.equal(image.virtualSize, null);
assert.equal(image['os_distro'], 'debian');

assert.deepEqual(await refusal(images.revertImage({ imageId: alive })), [409, 'image.already_active']);
const refused = new ImagesApi(nobody).revertImage({ imageId: golden });
assert.deepEqual(await refusal(refused), [401, 'auth.token_missing']);
