//! Opens a session: region, credentials, endpoints, proxy, time-outs.
//!
//! Credentials are looked for in the environment, in the shared files, and in the instance's
//! metadata (version 2 of its service only), in this order. The SDK repeats nothing by itself: the
//! loop in `calls` does, which asks the guard before every try.

use std::path::PathBuf;
use std::time::Duration;

use aws_config::environment::EnvironmentVariableCredentialsProvider;
use aws_config::imds;
use aws_config::imds::credentials::ImdsCredentialsProvider;
use aws_config::meta::credentials::CredentialsProviderChain;
use aws_config::meta::region::ProvideRegion;
use aws_config::profile::{ProfileFileCredentialsProvider, ProfileFileRegionProvider};
use aws_config::provider_config::ProviderConfig;
use aws_config::retry::RetryConfig;
use aws_config::sts::AssumeRoleProvider;
use aws_config::timeout::TimeoutConfig;
use aws_config::{BehaviorVersion, Region, SdkConfig};
use aws_credential_types::provider::SharedCredentialsProvider;
use aws_runtime::env_config::file::{EnvConfigFileKind, EnvConfigFiles};
use aws_smithy_async::time::SharedTimeSource;
use aws_smithy_http_client::proxy::ProxyConfig;
use aws_smithy_http_client::tls::{Provider, rustls_provider::CryptoMode};
use aws_smithy_http_client::{Builder, Connector};
use aws_smithy_runtime_api::client::http::SharedHttpClient;

use super::calls::ATTEMPT;
use super::error::{AwsError, Cause};
use crate::api::kinds::AwsAccess;

/// For a connection to an endpoint.
const CONNECT: Duration = Duration::from_secs(3);
/// For one question to the instance's metadata, which is on the same machine.
const METADATA: Duration = Duration::from_secs(1);
/// Where files are when the environment of the agent names no home.
const ROOT_HOME: &str = "/root";
/// Named to AWS in the log of its calls.
const SESSION_NAME: &str = "stead";

/// Clients of one account and region.
#[derive(Clone, Debug)]
pub struct Clients {
    pub ec2: aws_sdk_ec2::Client,
    pub route53: aws_sdk_route53::Client,
    pub sts: aws_sdk_sts::Client,
    pub metadata: imds::Client,
    /// Where credentials are looked for, in this order.
    pub sources: Vec<(&'static str, SharedCredentialsProvider)>,
}

/// Opens them.
///
/// # Errors
/// Where the region is not known, or a setting can't be read.
pub async fn open(access: &AwsAccess) -> Result<Clients, AwsError> {
    let direct = http_client(ProxyConfig::disabled());
    let http = http_client(proxy(access)?);
    let metadata = metadata(&direct);
    let files = files(access);
    let region = region(access, &files, &metadata).await?;
    let sources = sources(access, &files, &metadata, &http, &region);
    let base = chain(&sources);
    let config = SdkConfig::builder()
        .behavior_version(BehaviorVersion::v2026_01_12())
        .region(region.clone())
        .http_client(http.clone())
        // Whoever assumes a role panics without one.
        .time_source(SharedTimeSource::default())
        .retry_config(RetryConfig::disabled())
        .timeout_config(timeouts())
        .build();
    let sts = with_endpoint(&config, access.endpoints.sts.as_ref(), "STS");
    let credentials = match &access.assume_role {
        None => base,
        Some(role) => {
            let mut provider = AssumeRoleProvider::builder(&role.role_arn)
                .session_name(SESSION_NAME)
                .region(region)
                .configure(&sts);
            if let Some(id) = &role.external_id {
                provider = provider.external_id(id);
            }
            SharedCredentialsProvider::new(provider.build_from_provider(base).await)
        }
    };
    let sts = sts.into_builder().credentials_provider(credentials.clone()).build();
    let config = config.into_builder().credentials_provider(credentials).build();
    let ec2 = with_endpoint(&config, access.endpoints.ec2.as_ref(), "EC2");
    let route53 = with_endpoint(&config, access.endpoints.route53.as_ref(), "ROUTE_53");
    Ok(Clients {
        ec2: aws_sdk_ec2::Client::new(&ec2),
        route53: aws_sdk_route53::Client::new(&route53),
        sts: aws_sdk_sts::Client::new(&sts),
        metadata,
        sources,
    })
}

fn timeouts() -> TimeoutConfig {
    TimeoutConfig::builder().connect_timeout(CONNECT).operation_timeout(ATTEMPT).build()
}

/// One TLS provider in the whole program: rustls with ring.
fn http_client(proxy: ProxyConfig) -> SharedHttpClient {
    Builder::new().build_with_connector_fn(move |settings, components| {
        let mut connector = Connector::builder()
            .tls_provider(Provider::Rustls(CryptoMode::Ring))
            .proxy_config(proxy.clone());
        connector.set_connector_settings(settings.cloned());
        if let Some(components) = components {
            connector.set_sleep_impl(components.sleep_impl());
        }
        connector.build()
    })
}

fn proxy(access: &AwsAccess) -> Result<ProxyConfig, AwsError> {
    match &access.proxy {
        None => Ok(ProxyConfig::from_env()),
        Some(url) => ProxyConfig::all(url.as_str())
            .map_err(|error| AwsError::new(Cause::Refused, "proxy", error.to_string())),
    }
}

fn metadata(http: &SharedHttpClient) -> imds::Client {
    let provider = ProviderConfig::without_region().with_http_client(http.clone());
    imds::Client::builder()
        .configure(&provider)
        .max_attempts(2)
        .connect_timeout(METADATA)
        .read_timeout(METADATA)
        .build()
}

/// The shared files: named in the manifest, else where the environment says or has its home, else
/// those of root.
fn files(access: &AwsAccess) -> EnvConfigFiles {
    if let Some(source) = &access.credentials {
        return EnvConfigFiles::builder()
            .include_default_config_file(true)
            .with_file(EnvConfigFileKind::Credentials, &source.file)
            .build();
    }
    let named = |name: &str| std::env::var_os(name).is_some();
    let home = std::env::var_os("HOME").map(PathBuf::from);
    let has_files = home.as_ref().is_some_and(|home| home.join(".aws").is_dir());
    if has_files || named("AWS_SHARED_CREDENTIALS_FILE") || named("AWS_CONFIG_FILE") {
        return EnvConfigFiles::default();
    }
    let folder = PathBuf::from(ROOT_HOME).join(".aws");
    EnvConfigFiles::builder()
        .with_file(EnvConfigFileKind::Config, folder.join("config"))
        .with_file(EnvConfigFileKind::Credentials, folder.join("credentials"))
        .build()
}

async fn region(
    access: &AwsAccess,
    files: &EnvConfigFiles,
    metadata: &imds::Client,
) -> Result<Region, AwsError> {
    let environment = || {
        let names = ["AWS_REGION", "AWS_DEFAULT_REGION"];
        names.into_iter().find_map(|name| std::env::var(name).ok().filter(|r| !r.is_empty()))
    };
    if let Some(region) = access.region.clone().or_else(environment) {
        return Ok(Region::new(region));
    }
    let mut profile = ProfileFileRegionProvider::builder().profile_files(files.clone());
    if let Some(name) = &access.profile {
        profile = profile.profile_name(name);
    }
    if let Some(region) = profile.build().region().await {
        return Ok(region);
    }
    let asked = metadata.get("/latest/meta-data/placement/region").await;
    asked.map(|region| Region::new(String::from(region))).map_err(|error| {
        let words = format!("not in the manifest, the environment or a profile; metadata: {error}");
        AwsError::new(Cause::NoRegion, "region", words)
    })
}

fn sources(
    access: &AwsAccess,
    files: &EnvConfigFiles,
    metadata: &imds::Client,
    http: &SharedHttpClient,
    region: &Region,
) -> Vec<(&'static str, SharedCredentialsProvider)> {
    let provider = ProviderConfig::without_region()
        .with_http_client(http.clone())
        .with_region(Some(region.clone()));
    let mut profile =
        ProfileFileCredentialsProvider::builder().configure(&provider).profile_files(files.clone());
    if let Some(name) = &access.profile {
        profile = profile.profile_name(name);
    }
    let role = ImdsCredentialsProvider::builder().imds_client(metadata.clone()).build();
    vec![
        (
            "environment",
            SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new()),
        ),
        ("profile", SharedCredentialsProvider::new(profile.build())),
        ("instance metadata", SharedCredentialsProvider::new(role)),
    ]
}

/// The first that has any.
fn chain(sources: &[(&'static str, SharedCredentialsProvider)]) -> SharedCredentialsProvider {
    let mut sources = sources.iter().cloned();
    let Some((name, first)) = sources.next() else {
        return SharedCredentialsProvider::new(EnvironmentVariableCredentialsProvider::new());
    };
    let chain = CredentialsProviderChain::first_try(name, first);
    let chain = sources.fold(chain, |chain, (name, next)| chain.or_else(name, next));
    SharedCredentialsProvider::new(chain)
}

/// With the endpoint of the manifest, else of the environment, else of the region.
fn with_endpoint(config: &SdkConfig, own: Option<&String>, service: &str) -> SdkConfig {
    let names = [format!("AWS_ENDPOINT_URL_{service}"), "AWS_ENDPOINT_URL".to_owned()];
    let environment = || names.iter().find_map(|name| std::env::var(name).ok());
    match own.cloned().or_else(environment).filter(|url| !url.is_empty()) {
        Some(url) => config.clone().into_builder().endpoint_url(url).build(),
        None => config.clone(),
    }
}
