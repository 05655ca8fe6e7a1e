//! A name server on loopback, over UDP and TCP of one port, that says what a test wants it to.

use std::net::{IpAddr, SocketAddr};
use std::sync::{Arc, Mutex};

use hickory_proto::op::{Message, ResponseCode};
use hickory_proto::rr::rdata::{A, AAAA, CNAME};
use hickory_proto::rr::{Name, RData, Record, RecordType};
use serinus::run::NameSources;
use tokio::io::{AsyncReadExt, AsyncWriteExt};
use tokio::net::{TcpListener, UdpSocket};

/// What is said to a question.
pub(crate) enum Say {
    /// These addresses, those that fit the question.
    Addresses(Vec<IpAddr>),
    /// That the name is another one, which has these addresses.
    Alias(&'static str, Vec<IpAddr>),
    /// This code and nothing else.
    Code(ResponseCode),
    /// Over UDP that it does not fit, over TCP these addresses.
    OverTcp(Vec<IpAddr>),
    /// First answers that are none: garbage, another id, another question; then these addresses.
    AfterNonsense(Vec<IpAddr>),
    /// What this makes of an answer without records.
    Shaped(Box<dyn FnOnce(&mut Message) + Send>),
    /// Nothing.
    Nothing,
}

type Respond = dyn Fn(&str, RecordType) -> Say + Send + Sync;

/// A server that goes on until it is dropped.
pub(crate) struct DnsServer {
    address: SocketAddr,
    asked: Arc<Mutex<Vec<String>>>,
    tasks: Vec<tokio::task::JoinHandle<()>>,
    directory: tempfile::TempDir,
}

impl Drop for DnsServer {
    fn drop(&mut self) {
        self.tasks.iter().for_each(tokio::task::JoinHandle::abort);
    }
}

impl DnsServer {
    /// `respond` is given the name without its closing dot.
    pub(crate) async fn start(respond: impl Fn(&str, RecordType) -> Say + Send + Sync + 'static) -> Self {
        let (udp, tcp) = sockets().await;
        let address = udp.local_addr().unwrap();
        let asked: Arc<Mutex<Vec<String>>> = Arc::default();
        let respond: Arc<Respond> = Arc::new(respond);
        let tasks = vec![
            tokio::spawn(over_udp(udp, Arc::clone(&respond), Arc::clone(&asked))),
            tokio::spawn(over_tcp(tcp, respond, Arc::clone(&asked))),
        ];
        let server = Self { address, asked, tasks, directory: tempfile::tempdir().unwrap() };
        server.write_resolv_conf("nameserver 127.0.0.1\n");
        server.write_hosts("");
        server
    }

    pub(crate) fn write_resolv_conf(&self, text: &str) {
        std::fs::write(self.directory.path().join("resolv.conf"), text).unwrap();
    }

    pub(crate) fn write_hosts(&self, text: &str) {
        std::fs::write(self.directory.path().join("hosts"), text).unwrap();
    }

    /// Sources that lead here.
    pub(crate) fn names(&self) -> NameSources {
        let at = |name: &str| self.directory.path().join(name);
        NameSources { resolv_conf: at("resolv.conf"), hosts: at("hosts"), port: self.address.port(), max_look_ups: None }
    }

    /// `A name` and `AAAA name` of everything asked so far; over TCP with `tcp ` before it.
    pub(crate) fn asked(&self) -> Vec<String> {
        self.asked.lock().unwrap().clone()
    }
}

/// One port for both.
async fn sockets() -> (UdpSocket, TcpListener) {
    for _ in 0..100 {
        let udp = UdpSocket::bind("127.0.0.1:0").await.unwrap();
        if let Ok(tcp) = TcpListener::bind(udp.local_addr().unwrap()).await {
            return (udp, tcp);
        }
    }
    panic!("no port is free for both UDP and TCP");
}

async fn over_udp(socket: UdpSocket, respond: Arc<Respond>, asked: Arc<Mutex<Vec<String>>>) {
    let mut buffer = vec![0; 4096];
    loop {
        // A closed port of somebody who asked and went away is told here.
        let Ok((length, from)) = socket.recv_from(&mut buffer).await else { continue };
        let question = Message::from_vec(&buffer[..length]).unwrap();
        for answer in answers(&question, &*respond, &asked, false) {
            let _ = socket.send_to(&answer, from).await;
        }
    }
}

async fn over_tcp(listener: TcpListener, respond: Arc<Respond>, asked: Arc<Mutex<Vec<String>>>) {
    loop {
        let (mut stream, _) = listener.accept().await.unwrap();
        let length = stream.read_u16().await.unwrap();
        let mut bytes = vec![0; usize::from(length)];
        stream.read_exact(&mut bytes).await.unwrap();
        for answer in answers(&Message::from_vec(&bytes).unwrap(), &*respond, &asked, true) {
            stream.write_u16(u16::try_from(answer.len()).unwrap()).await.unwrap();
            stream.write_all(&answer).await.unwrap();
        }
    }
}

fn answers(question: &Message, respond: &Respond, asked: &Mutex<Vec<String>>, tcp: bool) -> Vec<Vec<u8>> {
    let query = &question.queries[0];
    let name = query.name().to_string().trim_end_matches('.').to_owned();
    asked.lock().unwrap().push(format!("{}{} {name}", if tcp { "tcp " } else { "" }, query.query_type()));
    let mut answer = question.clone().into_response();
    match respond(&name, query.query_type()) {
        Say::Nothing => return Vec::new(),
        Say::Shaped(shape) => shape(&mut answer),
        Say::Code(code) => answer.metadata.response_code = code,
        Say::Alias(alias, addresses) => {
            let alias = Name::from_ascii(alias).unwrap();
            answer.add_answer(Record::from_rdata(query.name().clone(), 60, RData::CNAME(CNAME(alias.clone()))));
            add(&mut answer, &alias, &addresses);
            // Of somebody else, which is none of this question.
            add(&mut answer, &Name::from_ascii("stranger.test.").unwrap(), &["192.0.2.99".parse().unwrap()]);
        }
        Say::OverTcp(_) if !tcp => answer.metadata.truncation = true,
        Say::Addresses(addresses) | Say::OverTcp(addresses) => add(&mut answer, query.name(), &addresses),
        Say::AfterNonsense(addresses) => {
            let lie: IpAddr = "192.0.2.66".parse().unwrap();
            let mut other_id = answer.clone();
            other_id.metadata.id = answer.metadata.id.wrapping_add(1);
            add(&mut other_id, query.name(), &[lie]);
            let mut other_question = answer.clone();
            other_question.queries[0].name = Name::from_ascii("other.test.").unwrap();
            add(&mut other_question, query.name(), &[lie]);
            let echo = question.to_vec().unwrap();
            add(&mut answer, query.name(), &addresses);
            let nonsense =
                vec![b"garbage".to_vec(), Vec::new(), echo, other_id.to_vec().unwrap(), other_question.to_vec().unwrap()];
            return nonsense.into_iter().chain([answer.to_vec().unwrap()]).collect();
        }
    }
    vec![answer.to_vec().unwrap()]
}

fn add(answer: &mut Message, name: &Name, addresses: &[IpAddr]) {
    for address in addresses {
        let data = match (address, answer.queries[0].query_type()) {
            (IpAddr::V4(address), RecordType::A) => RData::A(A(*address)),
            (IpAddr::V6(address), RecordType::AAAA) => RData::AAAA(AAAA(*address)),
            _ => continue,
        };
        answer.add_answer(Record::from_rdata(name.clone(), 60, data));
    }
}
