//! The templates and expressions of a step, wherever in it they stand.
//!
//! Owns which texts a kind of step sends. Whoever asks what a step is made of (whether it draws its values, which names it reads) goes
//! through these, so that a field with a template is listed only here.

use super::{
    Action, Auth, Body, DnsAction, ExecAction, Field, HttpAction, JsonTemplate, Loop, Part, PartContent, Step, TcpAction,
    Template,
};

impl Action {
    /// Whether attempts may send other things than the one before them, without that anything was handed to them.
    pub fn varies(&self) -> bool {
        let mut varies = false;
        self.each_template(&mut |template| varies |= template.varies());
        varies
    }

    /// Calls `visit` with each template of what is sent.
    pub fn each_template<'s>(&'s self, visit: &mut dyn FnMut(&'s Template)) {
        match self {
            Self::Http(action) => http(action, visit),
            Self::Dns(action) => {
                let DnsAction { name, record: _, server, transport: _, recursion: _ } = &**action;
                std::iter::once(name).chain(server).for_each(visit);
            }
            Self::Tcp(action) => {
                let TcpAction {
                    connection,
                    connect,
                    send,
                    starttls: _,
                    tls: _,
                    greeting: _,
                    read: _,
                    close: _,
                    response_bytes: _,
                } = &**action;
                connection.iter().chain(connect).chain(send.as_ref().map(super::Payload::template)).for_each(visit);
            }
            Self::Exec(action) => {
                let ExecAction { program, arguments, stdin, env, inherit: _, directory } = &**action;
                let env = env.iter().map(|(_, value)| value);
                std::iter::once(program).chain(arguments).chain(stdin).chain(env).chain(directory).for_each(visit);
            }
            Self::Parallel(entries) => entries.iter().for_each(|entry| entry.action.each_template(visit)),
        }
    }
}

impl Step {
    /// Whether any part of it reads such a name.
    pub fn reads(&self, is_it: &dyn Fn(&str) -> bool) -> bool {
        let mut found = false;
        let mut look = |names: Vec<String>| found |= names.iter().any(|name| is_it(name));
        self.action.each_template(&mut |template| look(template.names()));
        self.device.iter().chain(&self.subject).for_each(|template| look(template.names()));
        let judged = self.when.iter().chain(&self.guard).chain(&self.expect).chain(&self.warn).chain(&self.unless_created);
        judged.for_each(|condition| look(condition.names()));
        self.captured().for_each(|(_, expression)| look(expression.names()));
        if let Some(Loop::ForEach { items, .. }) = &self.looping {
            look(items.names());
        }
        found
    }
}

fn http<'s>(action: &'s HttpAction, visit: &mut dyn FnMut(&'s Template)) {
    let HttpAction { method: _, url: _, query: _, headers, body: _, auth, redirects: _, response_bytes: _ } = action;
    content(action, visit);
    for (_, value) in headers {
        visit(value);
    }
    auth.iter().flat_map(Auth::templates).for_each(visit);
}

/// What is asked for, without how.
fn content<'s>(action: &'s HttpAction, visit: &mut dyn FnMut(&'s Template)) {
    visit(&action.url);
    fields(&action.query, visit);
    match &action.body {
        Body::Empty | Body::File { .. } => {}
        Body::Json(value) => json(value, visit),
        Body::Form(form) => fields(form, visit),
        Body::Multipart(parts) => {
            for Part { name: _, content, filename, content_type: _ } in parts {
                if let PartContent::Text(text) = content {
                    visit(text);
                }
                filename.iter().for_each(&mut *visit);
            }
        }
        Body::Raw(text) => visit(text),
    }
}

fn fields<'s>(fields: &'s [Field], visit: &mut dyn FnMut(&'s Template)) {
    fields.iter().flat_map(|field| field.value.templates()).for_each(visit);
}

fn json<'s>(value: &'s JsonTemplate, visit: &mut dyn FnMut(&'s Template)) {
    match value {
        JsonTemplate::Constant(_) => {}
        JsonTemplate::Text(text) => visit(text),
        JsonTemplate::List(items) => items.iter().for_each(|item| json(item, visit)),
        JsonTemplate::Map(entries) => entries.iter().for_each(|(_, value)| json(value, visit)),
    }
}
