//! Keys of HTTP requests and of the devices that make them.

use super::super::shape::{Key, Kind, Rule, Section};

/// Keys that are a method and hold the URL.
pub(crate) const METHODS: &[&str] = &["get", "post", "put", "patch", "delete", "head", "options"];

/// A request.
pub(super) static HTTP: Section = Section {
    id: "http",
    title: "`http`",
    keys: &[
        Key::new("get", Kind::Template, "URL of a GET request."),
        Key::new("post", Kind::Template, "URL of a POST request."),
        Key::new("put", Kind::Template, "URL of a PUT request."),
        Key::new("patch", Kind::Template, "URL of a PATCH request."),
        Key::new("delete", Kind::Template, "URL of a DELETE request."),
        Key::new("head", Kind::Template, "URL of a HEAD request."),
        Key::new("options", Kind::Template, "URL of an OPTIONS request."),
        Key::new("method", Kind::Text, "Any other method, with `url`."),
        Key::new("url", Kind::Template, "URL of a request with `method`."),
        Key::new("query", Kind::Map(&Kind::Template), "Added to the URL's query, percent-encoded."),
        Key::new("headers", Kind::Map(&Kind::Template), "Headers, over those of the device."),
        Key::new("json", Kind::Json, "A JSON body; a string that is one `{{ expression }}` keeps its type."),
        Key::new("form", Kind::Map(&Kind::Template), "A body of form fields, URL-encoded."),
        Key::new("multipart", Kind::Tables(&PART), "A body of several parts."),
        Key::new("body", Kind::Template, "A body of text."),
        Key::new("file", Kind::File, "A body that is this file's bytes."),
        Key::new("basic", Kind::Table(&BASIC), "Basic authentication."),
        Key::new("bearer", Kind::Template, "A bearer token."),
        Key::new("oauth2", Kind::Table(&OAUTH2), "OAuth2 client credentials; one token a run and device."),
        Key::new(
            "redirects",
            Kind::Redirects,
            "Redirects followed before it is a failure, or `false` to look at the 3xx answer.",
        )
        .default("the device's"),
        Key::new("max_response", Kind::Size, "Body bytes read, after decompression, before the attempt fails.")
            .default("`limits.response_bytes`"),
    ],
    rules: &[
        Rule::ExactlyOne(&["get", "post", "put", "patch", "delete", "head", "options", "method"]),
        Rule::Needs("method", "url"),
        Rule::Needs("url", "method"),
        Rule::AtMostOne(&["json", "form", "multipart", "body", "file"]),
        Rule::AtMostOne(&["basic", "bearer", "oauth2"]),
    ],
    later: &[],
};

static PART: Section = Section {
    id: "multipart",
    title: "a part",
    keys: &[
        Key::new("name", Kind::Text, "The form field.").required(),
        Key::new("text", Kind::Template, "Its content as text."),
        Key::new("file", Kind::File, "Its content as this file's bytes."),
        Key::new("filename", Kind::Template, "File name to send.").default("the file's own"),
        Key::new("content_type", Kind::Text, "Content type to send."),
    ],
    rules: &[Rule::ExactlyOne(&["text", "file"])],
    later: &[],
};

static BASIC: Section = Section {
    id: "basic",
    title: "`basic`",
    keys: &[
        Key::new("user", Kind::Template, "User name.").required(),
        Key::new("password", Kind::Template, "Password.").required(),
    ],
    rules: &[],
    later: &[],
};

static OAUTH2: Section = Section {
    id: "oauth2",
    title: "`oauth2`",
    keys: &[
        Key::new("token_url", Kind::Template, "The token endpoint.").required(),
        Key::new("client_id", Kind::Template, "Client id.").required(),
        Key::new("client_secret", Kind::Template, "Client secret.").required(),
        Key::new("scope", Kind::Template, "Scopes, separated by spaces."),
        Key::new("audience", Kind::Template, "Audience, as several identity providers ask for."),
    ],
    rules: &[],
    later: &[],
};

/// A device, and `[http]` of the service, which is what devices begin with.
pub(super) static DEVICE: Section = Section {
    id: "device",
    title: "a device",
    keys: &[
        Key::new("headers", Kind::Map(&Kind::Template), "Headers sent with each request."),
        Key::new("cookies", Kind::Bool, "Keep cookies between the requests of a run.").default("true"),
        Key::new("version", Kind::Choice(&["auto", "1.1", "2"]), "Which HTTP is spoken.").default("\"auto\""),
        Key::new(
            "connections",
            Kind::Choice(&["reuse", "fresh"]),
            "Reuse HTTP/2 connections inside a run, or connect for each request, as HTTP/1.1 always does.",
        )
        .default("\"reuse\""),
        Key::new("redirects", Kind::Redirects, "Redirects followed before it is a failure, or `false`.").default("10"),
        Key::new("proxy", Kind::Url(&["http://", "https://", "socks5://"]), "Proxy; the environment's is never used.")
            .default("none"),
        Key::new("resolve", Kind::Map(&Kind::Address), "Addresses for host names, instead of DNS."),
        Key::new("tls", Kind::Table(&TLS), "TLS settings."),
        Key::new("connect_timeout", Kind::Duration, "Bound on DNS, TCP and TLS together.").default("the step's `timeout`"),
        Key::new("local_address", Kind::Ip, "Local address to send from.").default("the system's choice"),
    ],
    rules: &[],
    later: &[],
};

static TLS: Section = Section {
    id: "tls",
    title: "`tls`",
    keys: &[
        Key::new("ca", Kind::File, "PEM file of the roots to trust instead of the machine's."),
        Key::new("client_cert", Kind::File, "PEM file of the client's certificate chain."),
        Key::new("client_key", Kind::File, "PEM file of the client's key."),
        Key::new("min_version", Kind::Choice(&["1.2", "1.3"]), "Oldest version spoken.").default("\"1.2\""),
        Key::new("server_name", Kind::Text, "Name sent as SNI and checked in the certificate.").default("the URL's host"),
        Key::new("verify", Kind::Bool, "Whether the certificate is checked; `false` draws a warning.").default("true"),
    ],
    rules: &[Rule::Needs("client_cert", "client_key"), Rule::Needs("client_key", "client_cert")],
    later: &[],
};
