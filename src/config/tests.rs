//! Whole configurations, from files and environment to the value or the problems.

mod keystone;

use std::fs;
use std::path::PathBuf;
use std::time::Duration;

use secrecy::ExposeSecret;

use super::*;
use crate::domain::revert::Verify;

const DATABASE: &str = "[database]\nconnection = sqlite:////var/lib/glance/glance.sqlite\n";

fn load_with(files: &[&str], environment: &[(&str, &str)]) -> Result<Config, ConfigError> {
    let folder = tempfile::tempdir().unwrap();
    let mut config_files = Vec::new();
    for (index, text) in files.iter().enumerate() {
        let path = folder.path().join(format!("{index}.conf"));
        fs::write(&path, text).unwrap();
        config_files.push(path);
    }
    let environment = environment.iter().copied().collect();
    Config::load(&Sources { config_files, config_dirs: vec![], environment })
}

fn load(text: &str) -> Config {
    load_with(&[DATABASE, text], &[]).unwrap()
}

fn refused(text: &str) -> String {
    load_with(&[DATABASE, text], &[]).unwrap_err().to_string()
}

fn issuer(options: &str) -> String {
    format!("[revert_jwt:idp]\nissuer = https://i\naudiences = a\n{options}")
}

fn datadirs(config: &Config) -> Vec<PathBuf> {
    match &config.stores[0].kind {
        StoreKind::File(file) => file.datadirs.clone(),
        StoreKind::Http
        | StoreKind::Rbd(_)
        | StoreKind::S3(_)
        | StoreKind::Swift(_)
        | StoreKind::Cinder(_)
        | StoreKind::Unsupported { .. } => vec![],
    }
}

#[test]
fn a_connection_alone_gives_the_defaults_of_glance_and_ours() {
    let config = load("");
    assert!(!config.glance.delayed_delete);
    assert_eq!(config.glance.scrub_time, Duration::ZERO);
    assert_eq!(config.glance.scrub_pool_size, 1);
    assert_eq!(config.glance.wakeup_time, Duration::from_mins(5));
    assert!(!config.glance.multi_store);
    assert_eq!(config.stores.len(), 2);
    assert_eq!(config.stores[0].id, "file");
    assert_eq!(datadirs(&config), [PathBuf::from("/var/lib/glance/images")]);
    assert!(matches!(config.stores[1].kind, StoreKind::Http));
    assert_eq!(config.revert.bind.to_string(), "127.0.0.1:9393");
    assert_eq!(config.revert.verify, Verify::Exists);
    assert_eq!(config.revert.db_pool_size, 16);
    assert!(config.revert.scrubber);
    assert!(config.issuers.is_empty());
}

#[test]
fn options_of_glance_are_read_as_glance_reads_them() {
    let config = load(
        "[DEFAULT]\ndelayed_delete = Yes\nscrub_time = 43_200\nscrub_pool_size =\n\
         metadata_encryption_key = \"0123456789abcdef\"\n",
    );
    assert!(config.glance.delayed_delete);
    assert_eq!(config.glance.scrub_time, Duration::from_hours(12));
    assert_eq!(config.glance.scrub_pool_size, 1);
    assert_eq!(config.glance.metadata_encryption_key.unwrap().expose_secret(), "0123456789abcdef");
}

#[test]
fn all_problems_are_told_together_each_with_its_place() {
    let text = "[DEFAULT]\nscrub_time = soon\n[revert]\nlock_wait = -1\nlokc_wait = 2\n";
    let environment = [("OS_REVERT__DB_POOL_SIZE", "1"), ("OS_REVERT__BNID", "x")];
    let error = load_with(&[DATABASE, text], &environment).unwrap_err();
    assert_eq!(error.problems.len(), 5);
    let told = error.to_string();
    for part in [
        "[DEFAULT] scrub_time (",
        "1.conf line 2): \"soon\" is not a whole number",
        "[revert] lock_wait (",
        "[revert] lokc_wait (",
        "unknown option; the nearest known one is lock_wait",
        "[revert] db_pool_size (environment OS_REVERT__DB_POOL_SIZE): 1 is out of range: 2 to 1000",
        "[revert] bnid (environment OS_REVERT__BNID): unknown option; the nearest known one is bind",
    ] {
        assert!(told.contains(part), "{part} in\n{told}");
    }
}

#[test]
fn lines_that_cannot_be_read_are_told_for_every_file() {
    let told = load_with(&["[DEFAULT]\nword\n", "x = 1\n"], &[]).unwrap_err().to_string();
    assert!(told.contains("0.conf line 2: neither"), "{told}");
    assert!(told.contains("1.conf line 1: an option before any section"), "{told}");
}

#[test]
fn a_problem_with_a_secret_does_not_show_it() {
    let secrets = "[DEFAULT]\nmetadata_encryption_key = hunter2\n[database]\n\
                   connection = mysql://u:hunter2$hunter2@h/glance\n";
    let told = refused(secrets);
    assert!(told.contains("metadata_encryption_key") && told.contains("write `$$`"), "{told}");
    assert!(!told.contains("hunter2"), "{told}");
    for connection in ["mysql://u:p@hunter2@h/g", "hunter2", "mysql://u:hunter2"] {
        let told = refused(&format!("[database]\nconnection = {connection}\n"));
        assert!(!told.contains("hunter2"), "{told}");
    }
}

#[test]
fn a_missing_connection_says_what_to_do() {
    let told = load_with(&["[DEFAULT]\ndebug = true\n"], &[]).unwrap_err().to_string();
    assert!(told.contains("[database] connection"), "{told}");
    assert!(told.contains("OS_DATABASE__CONNECTION"), "{told}");
}

#[test]
fn the_environment_alone_is_enough() {
    let config =
        load_with(&[""], &[("OS_DATABASE__CONNECTION", "mysql+pymysql://g:p@db/glance")]).unwrap();
    assert_eq!(config.database.kind, DatabaseKind::Mysql);
    assert_eq!(config.database.host.as_deref(), Some("db"));
}

#[test]
fn folders_are_read_after_files_in_lexical_order() {
    let folder = tempfile::tempdir().unwrap();
    let write = |name: &str, text: &str| fs::write(folder.path().join(name), text).unwrap();
    write("20.conf", "[DEFAULT]\nscrub_time = 20\n");
    write("10.conf", "[DEFAULT]\nscrub_time = 10\nwakeup_time = 10\n");
    write("30.conf.bak", "[DEFAULT]\nscrub_time = 30\n");
    write("base", &format!("{DATABASE}[DEFAULT]\nscrub_time = 1\nwakeup_time = 1\n"));
    let config = Config::load(&Sources {
        config_files: vec![folder.path().join("base")],
        config_dirs: vec![folder.path().to_owned()],
        environment: Environment::default(),
    })
    .unwrap();
    assert_eq!(config.glance.scrub_time, Duration::from_secs(20));
    assert_eq!(config.glance.wakeup_time, Duration::from_secs(10));
}

#[test]
fn a_named_file_that_is_missing_is_refused() {
    let sources =
        Sources { config_files: vec!["/nowhere/glance.conf".into()], ..Default::default() };
    let told = Config::load(&sources).unwrap_err().to_string();
    assert_eq!(told, "/nowhere/glance.conf does not exist; check --config-file and --config-dir");
}

#[test]
fn several_stores_fall_back_to_the_shared_section() {
    let config = load(
        "[DEFAULT]\nenabled_backends = Fast:file, esx:vmware, web:http\n\
         [fast]\nfilesystem_store_timeout = 7\n\
         [backend_defaults]\nfilesystem_store_datadir = /shared\nfilesystem_store_timeout = 9\n",
    );
    assert!(config.glance.multi_store);
    let ids: Vec<&str> = config.stores.iter().map(|store| store.id.as_str()).collect();
    assert_eq!(ids, ["Fast", "esx", "web"]);
    assert_eq!(datadirs(&config), [PathBuf::from("/shared")]);
    let StoreKind::File(file) = &config.stores[0].kind else { panic!("no file store") };
    assert_eq!(file.timeout, Some(Duration::from_secs(7)));
    let StoreKind::Unsupported { kind } = &config.stores[1].kind else { panic!("a driver") };
    assert_eq!(kind, "vmware");
}

#[test]
fn a_bucket_is_read_from_its_section() {
    let config = load(
        "[DEFAULT]\nenabled_backends = cold:s3\n[cold]\ns3_store_host = https://S3.example.org/\n\
         s3_store_access_key = AK\ns3_store_secret_key = S/K+T\ns3_store_bucket = images\n",
    );
    let StoreKind::S3(s3) = &config.stores[0].kind else { panic!("no s3 store") };
    assert_eq!(s3.endpoint.authority, "s3.example.org");
    assert_eq!((s3.bucket.as_str(), s3.region.as_str()), ("images", "us-east-1"));
    let shown = format!("{config:?}");
    assert!(!shown.contains("AK\"") && !shown.contains("S/K+T"), "{shown}");
}

#[test]
fn a_bucket_that_cannot_work_is_refused_and_one_that_nobody_configured_is_left_out() {
    let told = refused(
        "[DEFAULT]\nenabled_backends = cold:s3\n[cold]\ns3_store_host = s3.example.org\n\
         s3_store_access_key = AK\ns3_store_bucket = a/b\ns3_store_bucket_url_format = odd\n",
    );
    for option in ["s3_store_host", "s3_store_secret_key", "s3_store_bucket", "url_format"] {
        assert!(told.contains(option), "{told}");
    }
    let config = load("[glance_store]\nstores = file,s3\n");
    assert_eq!(config.stores.len(), 1, "glance_store warns, and goes on without it");
    assert!(refused("[glance_store]\nstores = s3\ns3_store_host = https://h\n").contains("bucket"));
}

#[test]
fn backends_of_no_type_and_of_glances_own_names_are_refused() {
    let told = refused("[DEFAULT]\nenabled_backends = a:floppy, os_glance_x:file\n");
    assert!(told.contains("\"floppy\" of \"a\" is no type of store"), "{told}");
    assert!(told.contains("\"os_glance_x\": Glance keeps names"), "{told}");
    assert!(
        refused("[DEFAULT]\nenabled_backends = a:file,\n").contains("does not end with a pair")
    );
}

#[test]
fn the_dotted_names_of_old_are_types() {
    let config = load(
        "[glance_store]\nstores = glance.store.filesystem.Store, file, glance.store.rbd.Store\n",
    );
    let ids: Vec<&str> = config.stores.iter().map(|store| store.id.as_str()).collect();
    assert_eq!(ids, ["file", "rbd"]);
}

#[test]
fn datadirs_come_by_priority_and_equal_ones_as_written() {
    let config = load(
        "[glance_store]\nfilesystem_store_datadirs = /a\nfilesystem_store_datadirs = /b:200\n\
         filesystem_store_datadirs = /c:x:200\nfilesystem_store_datadirs = /d:\n",
    );
    assert_eq!(datadirs(&config), ["/b", "/c:x", "/a", "/d"].map(PathBuf::from));
}

#[test]
fn a_datadir_beside_datadirs_still_has_data() {
    let config =
        load("[glance_store]\nfilesystem_store_datadir = /old\nfilesystem_store_datadirs = /a:1\n");
    assert_eq!(datadirs(&config), ["/a", "/old"].map(PathBuf::from));
}

#[test]
fn datadirs_that_name_no_place_are_refused() {
    let told = |options: &str| refused(&format!("[glance_store]\n{options}\n"));
    assert!(told("filesystem_store_datadir = images").contains("absolute"));
    assert!(told("filesystem_store_datadir =").contains("is empty"));
    assert!(told("filesystem_store_datadirs = /a:high").contains("priority"));
    let twice = "filesystem_store_datadirs = /a:1\nfilesystem_store_datadirs = /a:2";
    assert!(told(twice).contains("/a has two priorities"));
}

#[test]
fn an_address_for_everyone_needs_a_word() {
    assert!(refused("[revert]\nbind = 0.0.0.0:9393\n").contains("set allow_plaintext = true"));
    let config = load("[revert]\nbind = [::]:9393\nallow_plaintext = true\nops_bind = 0.0.0.0:1\n");
    assert_eq!(config.revert.bind.to_string(), "[::]:9393");
    assert!(refused("[revert]\nbind = localhost:9393\n").contains("write 127.0.0.1:9393"));
    assert!(refused("[revert]\nbind = 127.0.0.1:9394\n").contains("must differ from bind"));
}

#[test]
fn values_out_of_range_are_refused() {
    for (option, part) in [
        ("verify = maybe", "exists, checksum, none"),
        ("store_timeout = 0", "more than 0"),
        ("absent_brake = 0", "1 or more"),
        ("request_timeout = 5", "longer than lock_wait"),
        ("max_connections = many", "not a whole number"),
        ("log_format = xml", "neither text nor json"),
        ("scrubber = maybe", "neither true nor false"),
        ("http_verify_hosts = https://mirror", "no scheme"),
        ("shutdown_grace = 1e20", "out of range"),
    ] {
        let told = refused(&format!("[revert]\n{option}\n"));
        assert!(told.contains(part), "{option}: {told}");
    }
}

#[test]
fn sections_that_look_like_ours_are_refused() {
    for section in ["revertx", "revert_jwt", "revert_keystone", "reverts", "rever", " revert "] {
        let told = refused(&format!("[{section}]\nbind = 127.0.0.1:1\n"));
        assert!(told.contains("unknown section"), "{section}: {told}");
    }
    let told = load_with(&[DATABASE], &[("OS_REVERT_JWT__ISSUER", "x")]).unwrap_err().to_string();
    assert!(told.contains("environment OS_REVERT_JWT__ISSUER"), "{told}");
}

#[test]
fn a_store_may_be_called_like_a_section_of_ours() {
    let config =
        load("[DEFAULT]\nenabled_backends = revert_disk:file\n[revert_disk]\nweight = 1\n");
    assert_eq!(config.stores[0].id, "revert_disk");
}

#[test]
fn unknown_options_of_glance_are_glances_business() {
    load(
        "[DEFAULT]\nscrub_tiem = 1\n[keystone_authtoken]\npassword = a$b\n[paste_deploy]\nx = 1\n",
    );
}

#[test]
fn an_issuer_has_defaults_for_all_but_its_name_its_audience_and_its_keys() {
    let config = load(&issuer("jwks_file = /keys.json\n"));
    let idp = &config.issuers[0];
    assert_eq!((idp.name.as_str(), idp.issuer.as_str()), ("idp", "https://i"));
    assert_eq!(idp.proof, JwtProof::File(JwtKeyFile::Jwks("/keys.json".into())));
    assert_eq!(idp.algorithms, ["RS256", "PS256", "ES256", "ES384", "EdDSA"]);
    assert_eq!(idp.role_claims, ["/roles", "/realm_access/roles"]);
    assert_eq!(idp.admin_roles, ["glance-revert-admin"]);
    assert_eq!(idp.leeway, Duration::from_secs(30));
    assert!(idp.subjects.is_empty() && !idp.require_at_jwt);
}

#[test]
fn keys_are_found_by_discovery_where_no_option_says_where_they_are() {
    let server = |options: &str| match load(&issuer(options)).issuers.remove(0).proof {
        JwtProof::Server(server) => server,
        other @ (JwtProof::File(_) | JwtProof::TokenReview(_)) => panic!("{other:?}"),
    };
    assert_eq!(server(""), JwtKeyServer { jwks_uri: None, access: JwtAccess::default() });
    assert_eq!(server("jwks_uri =\njwks_file =\n").jwks_uri, None);
    let kubernetes = server("jwks_uri = https://k/openid/v1/jwks\nca_file = /ca\ntoken_file = /t");
    let access = JwtAccess { ca_file: Some("/ca".into()), token_file: Some("/t".into()) };
    let jwks_uri = Some("https://k/openid/v1/jwks".to_owned());
    assert_eq!(kubernetes, JwtKeyServer { jwks_uri, access });
    let told = refused("[revert_jwt:ci]\nissuer = ci\naudiences = a\n");
    assert!(told.contains("jwks_uri, jwks_file or public_key_file"), "{told}");
}

#[test]
fn a_service_account_may_be_written_short() {
    let text = "subjects = openstack:operator, alice, auth0:Bob, system:serviceaccount:a-b:c.d";
    assert_eq!(
        load(&issuer(text)).issuers[0].subjects,
        [
            "openstack:operator",
            "alice",
            "auth0:Bob",
            "system:serviceaccount:a-b:c.d",
            "system:serviceaccount:openstack:operator",
        ]
    );
}

#[test]
fn weak_issuers_are_refused() {
    for (options, part) in [
        ("jwks_file = /k\nalgorithms = RS256, HS256", "HS256: not accepted"),
        ("jwks_file = /k\nalgorithms = none", "none: not accepted"),
        ("jwks_file = /k\nalgorithms =", "must name at least one"),
        ("jwks_file = /k\npublic_key_file = /p", "not both"),
        ("jwks_file = /k\njwks_uri = https://i/k", "not both"),
        ("jwks_uri = https://i/k\npublic_key_file = /p", "not both"),
        ("jwks_file = /k\nca_file = /c", "is for keys from a server"),
        ("public_key_file = /k\ntoken_file = /t", "is for keys from a server"),
        ("jwks_file = keys.json", "absolute"),
        ("jwks_file = /k\napi_server = https://k", "is for mode = tokenreview"),
        ("mode = review", "neither jwks nor tokenreview"),
        ("mode = tokenreview", "list ServiceAccounts as NS:NAME"),
        ("mode = tokenreview\nsubjects = a:b\njwks_uri = https://k", "has no meaning"),
        ("mode = tokenreview\nsubjects = a:b\nadmin_roles = x", "has no meaning"),
        ("jwks_file = /k\nleeway = 3600", "at most 300 seconds"),
        ("jwks_file = /k\nrole_claims = roles", "JSON pointers"),
        ("jwks_file = /k\nsubjects = system:serviceaccount:*", "no wildcards"),
        ("jwks_file = /k\nsubjects = system:serviceaccount:openstack", "NS:NAME"),
        ("jwks_file = /k\nsubjects = system:serviceaccount:openstack:", "NS:NAME"),
        ("jwks_file = /k\nadmin_roles =", "nobody could be an admin"),
        ("jwks_file = /k\njwks_url = x", "the nearest known one is jwks_uri"),
    ] {
        let told = refused(&issuer(options));
        assert!(told.contains(part), "{options}: {told}");
    }
    let told = refused("[revert_jwt:idp]\n");
    assert!(told.contains("issuer (") && told.contains("audiences ("), "{told}");
    assert!(refused("[revert_jwt:]\n").contains("name the issuer"));
}

#[test]
fn two_issuers_may_not_be_mistaken_for_each_other() {
    let second =
        "jwks_file = /k\n[revert_jwt:i-dp]\nissuer = https://i\naudiences = a\njwks_file = /k\n";
    assert!(refused(&issuer(second)).contains("is also the issuer of \"idp\""));
    let text = "[revert_jwt:a-b]\nissuer = 1\n[revert_jwt:a_b]\nissuer = 2\n";
    assert!(refused(text).contains("are one in the environment"));
}

#[test]
fn the_environment_sets_issuers_of_the_files_and_brings_its_own() {
    let config = load_with(
        &[DATABASE, "[revert_jwt:My-IdP]\nissuer = https://file\naudiences = a\n"],
        &[
            ("OS_REVERT_JWT_MY_IDP__JWKS_FILE", "/keys.json"),
            ("OS_REVERT_JWT_K8S__ISSUER", "https://cluster"),
            ("OS_REVERT_JWT_K8S__AUDIENCES", "glance-revert"),
            ("OS_REVERT_JWT_K8S__PUBLIC_KEY_FILE", "/key.pem"),
        ],
    )
    .unwrap();
    let names: Vec<&str> = config.issuers.iter().map(|issuer| issuer.name.as_str()).collect();
    assert_eq!(names, ["my-idp", "k8s"]);
    assert_eq!(config.issuers[0].proof, JwtProof::File(JwtKeyFile::Jwks("/keys.json".into())));
    assert_eq!(config.issuers[1].issuer, "https://cluster");
}

fn database(connection: &str, parameters: &str) -> Result<DatabaseConfig, database::DatabaseError> {
    DatabaseConfig::parse(connection, parameters)
}

#[test]
fn a_socket_takes_the_place_of_a_host() {
    let mysql = database("mysql+pymysql://u:p@h/g?unix_socket=/run/db.sock", "").unwrap();
    assert_eq!((mysql.host, mysql.socket), (None, Some("/run/db.sock".into())));
    let postgres = database("postgresql+psycopg2://u@/g?host=/run/pg&port=5433", "").unwrap();
    assert_eq!((postgres.host, postgres.socket), (None, Some("/run/pg".into())));
    assert_eq!(postgres.port, Some(5433));
}

#[test]
fn parameters_are_added_to_the_connection() {
    let config =
        database("mysql://u:p@h/g?charset=utf8", "ssl_ca=/ca.pem&charset=utf8mb4").unwrap();
    assert_eq!(config.charset.as_deref(), Some("utf8mb4"));
    assert!(config.tls.verify_identity);
}

#[test]
fn the_option_file_fills_what_the_url_leaves_out() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("my.cnf");
    let text = "[client]\nuser = file\npassword = 'from file'\nhost = filehost\nport = 3307\n\
                ssl-ca = /ca.pem\nssl = 1\ndefault-character-set = utf8mb4\n";
    fs::write(&file, text).unwrap();
    let url = format!("mysql+pymysql://url@/g?read_default_file={}", file.display());
    let config = database(&url, "").unwrap();
    assert_eq!(config.user.as_deref(), Some("url"));
    assert_eq!(config.password.unwrap().expose_secret(), "from file");
    assert_eq!((config.host.as_deref(), config.port), (Some("filehost"), Some(3307)));
    assert_eq!(config.charset.as_deref(), Some("utf8mb4"));
    assert_eq!(config.tls.ca, Some("/ca.pem".into()));
    assert!(config.tls.required && config.tls.verify_certificate);
    let told = database("mysql://h/g?read_default_file=/nowhere", "").unwrap_err().to_string();
    assert!(told.starts_with("read_default_file=/nowhere: "), "{told}");
}

#[test]
fn sqlite_is_a_file() {
    assert_eq!(database("sqlite:////abs/g.db", "").unwrap().database, "/abs/g.db");
    assert_eq!(database("sqlite:///rel/g.db", "").unwrap().database, "rel/g.db");
    for refused in
        ["sqlite://", "sqlite:///:memory:", "sqlite://rel/g.db", "sqlite:///file:g?uri=1"]
    {
        assert!(database(refused, "").is_err(), "{refused}");
    }
}

#[test]
fn every_spelling_of_a_known_database_is_known_and_no_other() {
    for (scheme, kind) in [
        ("mysql", DatabaseKind::Mysql),
        ("mysql+mysqldb", DatabaseKind::Mysql),
        ("mariadb+pymysql", DatabaseKind::Mysql),
        ("postgresql", DatabaseKind::Postgres),
        ("postgresql+psycopg", DatabaseKind::Postgres),
        ("postgres", DatabaseKind::Postgres),
    ] {
        assert_eq!(database(&format!("{scheme}://u:p@h/g"), "").unwrap().kind, kind, "{scheme}");
    }
    let told = database("oracle://u:hidden@h/g", "").unwrap_err().to_string();
    assert!(told.contains("\"oracle\"") && !told.contains("hidden"), "{told}");
}

#[test]
fn connections_that_cannot_be_followed_say_why() {
    for (url, part) in [
        ("mysql://u:p@ss@h/g", "%40"),
        ("mysql://u:p@h", "no name"),
        ("mysql://u:p@h:99999/g", "65535"),
        ("postgresql://u@/g?host=a&host=b", "several hosts"),
        ("postgresql://u@/g?host=a,b", "several hosts"),
        ("mysql://h/g?ssl_capath=/certs", "ssl_ca"),
        ("postgresql://h/g?sslmode=on", "verify-full"),
    ] {
        let told = database(url, "").unwrap_err().to_string();
        assert!(told.contains(part), "{url}: {told}");
    }
}

const PROXY_HEADERS: &str = "[oslo_middleware]\nenable_proxy_headers_parsing = True\n";

#[test]
fn proxies_are_addresses_and_networks() {
    let trusted = |list: &str| {
        load(&format!("{PROXY_HEADERS}[revert]\ntrusted_proxies = {list}\n")).revert.trusted_proxies
    };
    let found: Vec<_> =
        trusted("10.0.0.7, 10.1.0.0/24,fd00::/8").iter().map(ToString::to_string).collect();
    assert_eq!(found, ["10.0.0.7/32", "10.1.0.0/24", "fd00::/8"]);
    assert_eq!(trusted(""), []);
    for list in ["proxy.example.org", "10.0.0.0/33", "10.0.0.7:80", "*"] {
        let told = refused(&format!("{PROXY_HEADERS}[revert]\ntrusted_proxies = {list}\n"));
        assert!(told.contains("write 10.0.0.7 or 10.0.0.0/24"), "{told}");
    }
}

#[test]
fn proxies_that_nobody_would_listen_to_are_refused() {
    let told = refused("[revert]\ntrusted_proxies = 10.0.0.7\n");
    assert!(told.contains("enable_proxy_headers_parsing is false; set it to true"), "{told}");
}

const PAIR: &str = "[revert]\ntls_cert_file = /etc/tls.crt\ntls_key_file = /etc/tls.key\n";

#[test]
fn tls_is_a_pair_of_files_and_opens_every_address() {
    assert_eq!(load("").revert.tls, None);
    let tls = load(&format!("{PAIR}bind = 0.0.0.0:9393\n")).revert.tls.unwrap();
    assert_eq!(tls.cert_file, PathBuf::from("/etc/tls.crt"));
    assert_eq!(tls.key_file, PathBuf::from("/etc/tls.key"));
    assert_eq!(tls.clients, ClientCertificates::Off);
}

#[test]
fn client_certificates_need_an_authority_and_may_need_a_name() {
    let ca_file = PathBuf::from("/etc/ca.crt");
    let set = "tls_client_ca_file = /etc/ca.crt\n";
    let of = |text: &str| load(&format!("{PAIR}{text}")).revert.tls.unwrap().clients;
    let trust = |allowed| ClientTrust { ca_file: ca_file.clone(), allowed };
    let optional = of(&format!("{set}tls_client_auth = optional\n"));
    assert_eq!(optional, ClientCertificates::Optional(trust(vec![])));
    let names =
        "tls_client_allowed_sans = Undo.example.org, spiffe://Cluster/sa, Ops@example.org\n";
    let required = of(&format!("{set}{names}tls_client_auth = required\n"));
    let allowed = vec![
        SubjectName::Dns("undo.example.org".to_owned()),
        SubjectName::Uri("spiffe://Cluster/sa".to_owned()),
        SubjectName::Email("Ops@example.org".to_owned()),
    ];
    assert_eq!(required, ClientCertificates::Required(trust(allowed)));
}

#[test]
fn half_of_a_tls_setup_is_refused() {
    for (text, told) in [
        ("[revert]\ntls_cert_file = /c\n", "must be set where tls_cert_file is"),
        ("[revert]\ntls_key_file = /k\n", "must be set where tls_key_file is"),
        ("[revert]\ntls_cert_file = c\ntls_key_file = /k\n", "must be an absolute path"),
        (
            "[revert]\ntls_client_auth = required\ntls_client_ca_file = /c\n",
            "needs tls_cert_file and tls_key_file",
        ),
    ] {
        let refused = refused(text);
        assert!(refused.contains(told), "{refused}");
    }
    for (text, told) in [
        ("tls_client_auth = required\n", "must be set where tls_client_auth is not off"),
        ("tls_client_auth = yes\n", "\"yes\" is none of off, optional, required"),
        ("tls_client_ca_file = /c\n", "has no effect while tls_client_auth is off"),
        ("tls_client_allowed_sans = a\n", "has no effect while tls_client_auth is off"),
        (
            "tls_client_auth = optional\ntls_client_ca_file = /c\ntls_client_allowed_sans = *.a\n",
            "must be whole names, without wildcards",
        ),
    ] {
        let refused = refused(&format!("{PAIR}{text}"));
        assert!(refused.contains(told), "{refused}");
    }
}
