//! The example of `probes/README.md` works as it stands.

use super::{Act, Hear, Say, play};
use crate::http_pki::{Authority, server as tls_server};
use crate::http_server::{Stream, raw};
use crate::journey::Journey;

/// The block of the page that shows a step of `tcp`.
fn example() -> String {
    let page = std::fs::read_to_string("probes/README.md").unwrap();
    let blocks = page.split("```toml\n").skip(1).filter_map(|rest| rest.split("```").next());
    let mut with_tcp = blocks.filter(|block| block.contains("tcp.connect"));
    with_tcp.next().expect("the page has an example").to_owned()
}

#[tokio::test]
async fn the_example_of_the_readme_signs_in_to_a_mail_server_over_one_connection() {
    const PLAIN: &[Act] = &[
        Say("220 mail.example.com ESMTP\r\n"),
        Hear("EHLO serinus\r\n"),
        Say("250-mail.example.com\r\n250 STARTTLS\r\n"),
        Hear("STARTTLS\r\n"),
        Say("220 go ahead\r\n"),
    ];
    const SECURE: &[Act] = &[
        Hear("EHLO canary\r\n"),
        Say("250-mail.example.com\r\n250 AUTH PLAIN\r\n"),
        // The user and the password of this test.
        Hear("AUTH PLAIN AGNhbmFyeQBhLXNlY3JldC1vZi1zb21lLWxlbmd0aA==\r\n"),
        Say("235 welcome\r\n"),
        Hear("QUIT\r\n"),
        Say("221 bye\r\n"),
    ];
    let authority = Authority::new();
    let acceptor = tls_server(&authority.leaf(&["localhost"]));
    let target = raw(None, move |visit| {
        let acceptor = acceptor.clone();
        Box::pin(async move {
            let mut plain = visit.stream;
            play(&mut plain, PLAIN).await;
            let Ok(secure) = acceptor.accept(plain).await else { return };
            let mut secure: Stream = tokio::io::BufReader::new(Box::new(secure));
            play(&mut secure, SECURE).await;
        })
    })
    .await;
    let mail = format!("localhost:{}", target.address.port());
    let example = example().replace("{{ mail }}:587", "{{ api }}");
    let head = format!("[devices.default]\ntls.ca = \"{}\"", authority.pem().0.display());
    let password = Some("a-secret-of-some-length");
    let ran = Journey::at(&mail).head(&head).secret("mail_password", password).run(&example).await;
    ran.assert_passed();
    assert_eq!((ran.report.steps.len(), target.connections()), (3, 1));
}
