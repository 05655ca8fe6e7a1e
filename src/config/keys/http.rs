//! Keys of HTTP requests and of the devices that make them.

use crate::plan::{Connections, HttpVersion, MinTls};

use super::super::declaration::{Key, Rule, Section};
use super::super::section::{DeclaredSection, Field, Map, OneOrList, Table, Tables, schemes, section, sentence, words};
use super::super::tree::TableEntry;
use super::super::value_kind::Words;
use super::super::value_kind::{
    Address, Bool, Choice, Duration, File, Ip, Json, Redirects, Schemes, Size, Template, Text, Url, Value,
};

section! {
    /// A request.
    Http as HttpKeys: "http", "`http`" {
        /// URL of a GET request.
        get: Template,
        /// URL of a POST request.
        post: Template,
        /// URL of a PUT request.
        put: Template,
        /// URL of a PATCH request.
        patch: Template,
        /// URL of a DELETE request.
        delete: Template,
        /// URL of a HEAD request.
        head: Template,
        /// URL of an OPTIONS request.
        options: Template,
        /// Any other method, with `url`.
        method: Text,
        /// URL of a request with `method`.
        url: Template,
        /// Added to the URL's query, percent-encoded; a list repeats its key.
        query: Map<OneOrList<Template>>,
        /// Headers, over those of the device.
        headers: Map<Template>,
        /// A JSON body; a string that is one `{{ expression }}` keeps its type.
        json: Json,
        /// A body of form fields, URL-encoded; a list repeats its key.
        form: Map<OneOrList<Template>>,
        /// A body of several parts.
        multipart: Tables<Part>,
        /// A body of text.
        body: Template,
        /// A body that is this file's bytes.
        file: File,
        /// Basic authentication.
        basic: Table<Basic>,
        /// A bearer token.
        bearer: Template,
        /// OAuth2 client credentials; one token a run and device.
        oauth2: Table<Oauth2>,
        /// Redirects followed before it is a failure, or `false` to look at the 3xx answer.
        redirects: Redirects [default "the device's"],
        /// Body bytes read, after decompression, before the attempt fails.
        max_response: Size [default "`limits.response_bytes`"],
    }
    rules: &[
        Rule::ExactlyOne(&["get", "post", "put", "patch", "delete", "head", "options", "method"]),
        Rule::Needs("method", "url"),
        Rule::Needs("url", "method"),
        Rule::AtMostOne(&["json", "form", "multipart", "body", "file"]),
        Rule::AtMostOne(&["basic", "bearer", "oauth2"]),
    ];
}

section! {
    /// A part.
    Part as PartKeys: "multipart", "a part" {
        /// The form field.
        name: Text [required],
        /// Its content as text.
        text: Template,
        /// Its content as this file's bytes.
        file: File,
        /// File name to send.
        filename: Template [default "the file's own"],
        /// Content type to send.
        content_type: Text,
    }
    rules: &[Rule::ExactlyOne(&["text", "file"])];
}

section! {
    /// `basic`.
    Basic as BasicKeys: "basic", "`basic`" {
        /// User name.
        user: Template [required],
        /// Password.
        password: Template [required],
    }
}

section! {
    /// `oauth2`.
    Oauth2 as Oauth2Keys: "oauth2", "`oauth2`" {
        /// The token endpoint.
        token_url: Template [required],
        /// Client id.
        client_id: Template [required],
        /// Client secret.
        client_secret: Template [required],
        /// Scopes, separated by spaces.
        scope: Template,
        /// Audience, as several identity providers ask for.
        audience: Template,
    }
}

section! {
    /// A device, and `[http]` of the service, which is what devices begin with.
    Device as DeviceKeys: "device", "a device" {
        /// Where paths are asked for: a URL to which what begins with `/` is joined.
        base: Template,
        /// Headers sent with each request.
        headers: Map<Template>,
        /// Keys added to the query of each request; a step's own key of the name wins.
        query: Map<OneOrList<Template>>,
        /// Keys added to each form that is sent; a step's own key of the name wins.
        form: Map<OneOrList<Template>>,
        /// Basic authentication of each request; a step's own authentication wins.
        basic: Table<Basic>,
        /// A bearer token sent with each request; a step's own authentication wins.
        bearer: Template,
        /// OAuth2 client credentials of each request; a step's own authentication wins.
        oauth2: Table<Oauth2>,
        /// Keep cookies between the requests of a run.
        cookies: Bool [over true],
        /// Which HTTP is spoken.
        version: Choice<HttpVersion> [over "auto"],
        /// Reuse HTTP/2 connections inside a run, or connect for each request, as HTTP/1.1 always does.
        connections: Choice<Connections> [over "reuse"],
        /// Redirects followed before it is a failure, or `false`.
        redirects: Redirects [over 10],
        /// Proxy; the environment's is never used.
        proxy: Url<Proxy> [default "none"],
        /// Addresses for host names, instead of DNS.
        resolve: Map<Address>,
        /// TLS settings.
        tls: Table<Tls>,
        /// Bound on DNS, TCP and TLS together.
        connect_timeout: Duration [default "the step's `timeout`"],
        /// Local address to send from.
        local_address: Ip [default "the system's choice"],
    }
    rules: &[Rule::AtMostOne(&["basic", "bearer", "oauth2"])];
}

section! {
    /// `tls`.
    Tls as TlsKeys: "tls", "`tls`" {
        /// PEM file of the roots to trust instead of the machine's.
        ca: File,
        /// PEM file of the client's certificate chain.
        client_cert: File,
        /// PEM file of the client's key.
        client_key: File,
        /// Oldest version spoken.
        min_version: Choice<MinTls> [over "1.2"],
        /// Name sent as SNI and checked in the certificate.
        server_name: Text [default "the URL's host"],
        /// Whether the certificate is checked; `false` draws a warning.
        verify: Bool [over true],
    }
    rules: &[Rule::Needs("client_cert", "client_key"), Rule::Needs("client_key", "client_cert")];
}

impl<'t> HttpKeys<'t> {
    /// The methods whose key holds the URL, as far as they are written, in the order of the file.
    pub(in crate::config) fn written_methods(&self) -> Vec<(http::Method, &'t TableEntry<'t>)> {
        let keys = [
            (http::Method::GET, &self.get),
            (http::Method::POST, &self.post),
            (http::Method::PUT, &self.put),
            (http::Method::PATCH, &self.patch),
            (http::Method::DELETE, &self.delete),
            (http::Method::HEAD, &self.head),
            (http::Method::OPTIONS, &self.options),
        ];
        let mut written: Vec<_> = keys.into_iter().filter_map(|(method, key)| Some((method, key.entry?))).collect();
        written.sort_by_key(|(_, entry)| entry.key_span.range.start);
        written
    }
}

words! {
    HttpVersion { "auto" => Auto, "1.1" => Http1, "2" => Http2 }
    Connections { "reuse" => Reuse, "fresh" => Fresh }
    MinTls { "1.2" => Tls12, "1.3" => Tls13 }
}

schemes! {
    /// Those of a proxy.
    Proxy: "http://", "https://", "socks5://";
}
