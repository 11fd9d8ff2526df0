//! Properties that Zuul, Ribbon and Hystrix know, and why some of them change nothing here.

/// What becomes of a property.
pub(crate) enum Fate {
    /// It is read.
    Read,
    /// It isn't, for this reason.
    Unread(&'static str),
}

use Fate::{Read, Unread};

const NO_FILTERS: &str = "the gateway has no Java filters";
const BUFFERS: &str = "bodies are streamed and never buffered whole, so there is nothing to set";
const RAW: &str = "paths are forwarded in one normal form, neither decoded nor raw";
const POOLS: &str = "connections are pooled per worker and endpoint; set connections on the service instead";
const ISOLATION: &str = "requests don't occupy threads, so there is no isolation to set";
const LATER: &str = "this version doesn't do it";

/// `zuul.*`, by the names as documented.
pub(crate) const ZUUL: &[(&str, Fate)] = &[
    ("prefix", Read),
    ("stripPrefix", Read),
    ("retryable", Read),
    ("routes", Read),
    ("sensitiveHeaders", Read),
    ("ignoredServices", Read),
    ("ignoredPatterns", Read),
    ("ignoredHeaders", Read),
    ("addProxyHeaders", Read),
    ("addHostHeader", Read),
    ("ignoreLocalService", Read),
    ("host", Read),
    ("ignoreSecurityHeaders", Unread("Spring Security isn't here, so its headers aren't special")),
    ("servletPath", Unread("there is no second path that bypasses buffering; bodies are always streamed")),
    ("decodeUrl", Unread(RAW)),
    ("removeSemicolonContent", Unread("parameters of the last segment are forwarded and never matched")),
    ("forceOriginalQueryStringEncoding", Unread("queries are always forwarded as they came")),
    ("setContentLength", Unread("a body's length is forwarded as it came")),
    ("includeDebugHeader", Unread("use `haechi explain` to see which route takes a request")),
    ("traceRequestBody", Unread(LATER)),
    ("initialStreamBufferSize", Unread(BUFFERS)),
    ("sslHostnameValidationEnabled", Unread("this version doesn't speak TLS to services")),
    ("ribbonIsolationStrategy", Unread(ISOLATION)),
    ("semaphore", Unread(ISOLATION)),
    ("threadPool", Unread(ISOLATION)),
    ("eureka", Unread(ISOLATION)),
    ("ribbon", Unread("services are always resolved at the start")),
    ("debug", Unread("use `haechi explain` to see which route takes a request")),
    ("filter", Unread(NO_FILTERS)),
];

/// `zuul.host.*`.
pub(crate) const HOST: &[(&str, Fate)] = &[
    ("socketTimeoutMillis", Read),
    ("connectTimeoutMillis", Read),
    ("maxTotalConnections", Unread(POOLS)),
    ("maxPerRouteConnections", Unread(POOLS)),
    ("connectionRequestTimeoutMillis", Unread(POOLS)),
    ("timeToLive", Unread(POOLS)),
    ("timeUnit", Unread(POOLS)),
];

/// `zuul.routes.X.*`.
pub(crate) const ROUTE: &[&str] = &[
    "path",
    "serviceId",
    "url",
    "location",
    "stripPrefix",
    "retryable",
    "sensitiveHeaders",
    "customSensitiveHeaders",
    "id",
];

/// `ribbon.*` and `SERVICE.ribbon.*`. Ribbon's names are case-sensitive.
pub(crate) const RIBBON: &[(&str, Fate)] = &[
    ("ConnectTimeout", Read),
    ("ReadTimeout", Read),
    ("MaxAutoRetries", Read),
    ("MaxAutoRetriesNextServer", Read),
    ("OkToRetryOnAllOperations", Read),
    ("retryableStatusCodes", Read),
    ("listOfServers", Read),
    ("NIWSServerListClassName", Read),
    ("NFLoadBalancerRuleClassName", Read),
    ("eureka.enabled", Read),
    ("IsSecure", Read),
    ("MaxHttpConnectionsPerHost", Unread(POOLS)),
    ("MaxTotalHttpConnections", Unread(POOLS)),
    ("MaxConnectionsPerHost", Unread(POOLS)),
    ("MaxTotalConnections", Unread(POOLS)),
    ("PoolMaxThreads", Unread(POOLS)),
    ("PoolMinThreads", Unread(POOLS)),
    ("PoolKeepAliveTime", Unread(POOLS)),
    ("PoolKeepAliveTimeUnits", Unread(POOLS)),
    ("EnableConnectionPool", Unread(POOLS)),
    ("ConnectionCleanerRepeatInterval", Unread(POOLS)),
    ("ConnIdleEvictTimeMilliSeconds", Unread(POOLS)),
    ("ServerListRefreshInterval", Unread("changes come from the registry at once; nobody polls")),
    ("NFLoadBalancerPingClassName", Unread("endpoints are judged by what requests meet")),
    ("NFLoadBalancerPingInterval", Unread("endpoints are judged by what requests meet")),
    ("NFLoadBalancerClassName", Unread("there is one load balancer; set balance on the service instead")),
    ("NIWSServerListFilterClassName", Unread(LATER)),
    ("EnableZoneAffinity", Unread(LATER)),
    ("EnableZoneExclusivity", Unread(LATER)),
    ("FollowRedirects", Unread("redirects are passed on to the client")),
    ("GZipPayload", Unread("bodies are forwarded as they came")),
    ("UseIPAddrForServer", Unread("the registry's IP address is always used")),
    ("DeploymentContextBasedVipAddresses", Unread(LATER)),
    ("VipAddress", Unread(LATER)),
    ("PrioritizeVipAddressBasedServers", Unread(LATER)),
    ("TargetRegion", Unread(LATER)),
    ("ForceClientPortConfiguration", Unread(LATER)),
    ("Port", Unread(LATER)),
    ("okhttp.enabled", Unread("there is one HTTP client")),
    ("restclient.enabled", Unread("there is one HTTP client")),
    ("http.client.enabled", Unread("there is one HTTP client")),
    ("eager-load.enabled", Unread("services are always resolved at the start")),
    ("eager-load.clients", Unread("services are always resolved at the start")),
];
