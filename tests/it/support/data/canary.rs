//! The secrets of the tests. No output of the product may contain one of them in any encoding;
//! `tests/harness/secrets.py` reads this file to know what to search for.
//!
//! Most contain characters that are written differently in URLs, base64 and configuration files.

/// Of the product's database user in each test.
pub(crate) const DATABASE_PASSWORD: &str = "c4n4ry/db+pass:w0rd@";
/// `metadata_encryption_key`, 16 bytes.
pub(crate) const ENCRYPTION_KEY: &str = "c4n4ry/16+bytes-";
/// `metadata_encryption_key`, 32 bytes.
pub(crate) const LONG_ENCRYPTION_KEY: &str = "c4n4ry/32+bytes/of+a-key-for-AES";
/// Of the service user at Keystone.
pub(crate) const KEYSTONE_PASSWORD: &str = "c4n4ry/keystone+password";
/// Of an application credential, instead of a password.
pub(crate) const APPLICATION_CREDENTIAL_SECRET: &str = "c4n4ry/application+credential";
/// The token that Keystone issues to the service user.
pub(crate) const SERVICE_TOKEN: &str = "gAAAAAc4n4ry-the-service-s-token";
/// A token that Keystone issued to a caller.
pub(crate) const CALLER_TOKEN: &str = "gAAAAAc4n4ry-a-caller-s-token";
/// A token that Keystone issued to a service that forwards calls.
pub(crate) const PASSING_TOKEN: &str = "gAAAAAc4n4ry-a-passing-service-s-token";
/// Our token for a Kubernetes API server, or for the server with an issuer's keys.
pub(crate) const SERVICE_ACCOUNT_TOKEN: &str = "c4n4ry.our/service+account.token";
/// Of Swift users.
pub(crate) const SWIFT_KEY: &str = "c4n4ry/swift+key";
/// Of Glance's user at Keystone, in locations. Has no slash, because Glance could not parse it.
pub(crate) const SWIFT_PASSWORD: &str = "c4n4ry+swift=password";
/// Of an application credential for Swift.
pub(crate) const SWIFT_CREDENTIAL_SECRET: &str = "c4n4ry/swift+credential";
/// In locations of the http store.
pub(crate) const HTTP_PASSWORD: &str = "c4n4ry+http=password";
/// Of the object store's access key, in its options and in locations.
pub(crate) const S3_SECRET: &str = "c4n4ry/s3+SECRET";
/// Of the user at Cinder.
pub(crate) const CINDER_PASSWORD: &str = "c4n4ry/cinder+password";
/// Of an application credential for Cinder.
pub(crate) const CINDER_CREDENTIAL_SECRET: &str = "c4n4ry/cinder+credential";
/// The key with which alerts to the webhook are signed.
pub(crate) const WEBHOOK_SECRET: &str = "c4n4ry/webhook+secret";
/// In the webhook's URL, because some receivers have no other secret.
pub(crate) const WEBHOOK_PATH: &str = "c4n4ry-path-of-the-webhook";
