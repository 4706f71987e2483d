//! The options of a store of the type `s3`.

use super::OptionSpec;

/// As `glance_store` has them; those that only matter for writing are left out.
pub const S3_STORE: &[OptionSpec] = &[
    OptionSpec::unset(
        "s3_store_host",
        "URL, required",
        "https://s3.example.org",
        "Where the S3 service listens, with the path below which it does, if there is one.",
    ),
    OptionSpec::new(
        "s3_store_region_name",
        "text",
        "",
        "The region that requests are signed for; us-east-1 where nothing tells it.",
    ),
    OptionSpec::unset("s3_store_access_key", "text", "", "The access key.").secret(),
    OptionSpec::unset("s3_store_secret_key", "text", "", "The secret key.").secret(),
    OptionSpec::unset("s3_store_bucket", "text, required", "glance", "The bucket with the data."),
    OptionSpec::new(
        "s3_store_bucket_url_format",
        "auto, path or virtual",
        "auto",
        "Where URLs have the bucket's name; auto means in the path.",
    ),
    OptionSpec::new(
        "s3_store_cacert",
        "absolute path",
        "",
        "Certificates that the service's one must come from, in place of the system's.",
    ),
];
