//! Records as text, in the form in which zone files have them (RFC 1035, section 5.1), so that they can be compared.
//!
//! Two things differ from zone files, so that they are easier to compare: the strings of a `TXT` record are joined without
//! quotes, and names stay in ASCII (`xn--…`).

use std::fmt::Write as _;

use base64::Engine as _;
use base64::engine::general_purpose::STANDARD;
use data_encoding::HEXUPPER;
use hickory_proto::op::ResponseCode;
use hickory_proto::rr::rdata::SVCB;
use hickory_proto::rr::rdata::svcb::SvcParamValue;
use hickory_proto::rr::{RData, Record, RecordType};

/// The type's word.
pub(super) fn type_of(record: &Record) -> String {
    match record.record_type() {
        RecordType::Unknown(number) => format!("TYPE{number}"),
        known => known.to_string(),
    }
}

/// The record's value.
pub(super) fn value_of(record: &Record) -> String {
    let value = match &record.data {
        RData::CNAME(name) => name.0.to_ascii(),
        RData::NS(name) => name.0.to_ascii(),
        RData::PTR(name) => name.0.to_ascii(),
        RData::MX(mx) => format!("{} {}", mx.preference, mx.exchange.to_ascii()),
        RData::SRV(srv) => format!("{} {} {} {}", srv.priority, srv.weight, srv.port, srv.target.to_ascii()),
        RData::SOA(soa) => {
            let times = format!("{} {} {} {} {}", soa.serial, soa.refresh, soa.retry, soa.expire, soa.minimum);
            format!("{} {} {times}", soa.mname.to_ascii(), soa.rname.to_ascii())
        }
        RData::TXT(txt) => String::from_utf8_lossy(&txt.txt_data.concat()).into_owned(),
        RData::HTTPS(https) => service(&https.0),
        RData::SVCB(svcb) => service(svcb),
        RData::Unknown { code, rdata } => unknown(*code, &rdata.anything),
        // A record without a value, as answers to updates have.
        RData::Update0(_) => String::new(),
        other => {
            let mut text = String::new();
            // What has no such form stays without one.
            let _ = write!(text, "{other}");
            text
        }
    };
    in_one_line(&value)
}

/// Control characters as zone files write them.
fn in_one_line(value: &str) -> String {
    let mut line = String::with_capacity(value.len());
    for character in value.chars() {
        if character.is_control() {
            let _ = write!(line, "\\{:03}", u32::from(character));
        } else {
            line.push(character);
        }
    }
    line
}

/// RFC 9460, section 2.1.
fn service(svcb: &SVCB) -> String {
    let mut text = format!("{} {}", svcb.svc_priority, svcb.target_name.to_ascii());
    for (key, value) in &svcb.svc_params {
        let key = key.to_string().replace("unknown", "key");
        if matches!(value, SvcParamValue::NoDefaultAlpn) {
            let _ = write!(text, " {key}");
        } else {
            let value = value.to_string();
            let _ = write!(text, " {key}={}", value.trim_end_matches(',').trim_matches('"'));
        }
    }
    text
}

/// Types that the parser does not know: DS and DNSKEY in their own form, others in that of RFC 3597 (section 5).
fn unknown(code: RecordType, bytes: &[u8]) -> String {
    match (code, bytes) {
        (RecordType::DS, [high, low, algorithm, digest_type, digest @ ..]) => {
            format!("{} {algorithm} {digest_type} {}", u16::from_be_bytes([*high, *low]), HEXUPPER.encode(digest))
        }
        (RecordType::DNSKEY, [high, low, protocol, algorithm, key @ ..]) => {
            format!("{} {protocol} {algorithm} {}", u16::from_be_bytes([*high, *low]), STANDARD.encode(key))
        }
        _ => format!("\\# {} {}", bytes.len(), HEXUPPER.encode(bytes)),
    }
}

/// The code's word, as name servers' tools write it.
pub(super) fn code_word(code: ResponseCode) -> String {
    let word = match code {
        ResponseCode::NoError => "NOERROR",
        ResponseCode::FormErr => "FORMERR",
        ResponseCode::ServFail => "SERVFAIL",
        ResponseCode::NXDomain => "NXDOMAIN",
        ResponseCode::NotImp => "NOTIMP",
        ResponseCode::Refused => "REFUSED",
        ResponseCode::YXDomain => "YXDOMAIN",
        ResponseCode::YXRRSet => "YXRRSET",
        ResponseCode::NXRRSet => "NXRRSET",
        ResponseCode::NotAuth => "NOTAUTH",
        ResponseCode::NotZone => "NOTZONE",
        other => return format!("RCODE{}", u16::from(other)),
    };
    word.to_owned()
}
