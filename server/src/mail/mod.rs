//! Mail: one message over one connection, encrypted, to a server that may be reached.
//!
//! `smtps://` begins with TLS, `smtp://` insists on STARTTLS; `smtp+clear://` is for a relay that the configuration lists by
//! its address. A server that takes part of the recipients has not taken the message.

mod careful;

use std::time::Duration;

use careful::Careful;
use lettre::message::header::ContentType;
use lettre::message::{Mailbox, MultiPart, SinglePart};
use lettre::transport::smtp::authentication::{Credentials, Mechanism};
use lettre::transport::smtp::client::{AsyncSmtpConnection, Certificate, TlsParameters};
use lettre::transport::smtp::extension::ClientId;
use lettre::{Address, Message};
use reqwest::Url;
use tokio::time::timeout;

use crate::delivering::{Blames, Undelivered};
use crate::outbound::Outbound;
use crate::outside::Outside;

const CONNECTED_WITHIN: Duration = Duration::from_secs(15);
const GOODBYE_WITHIN: Duration = Duration::from_secs(1);
/// What a header may be long.
const LONGEST_SUBJECT: usize = 200;

/// A way to send mail. Knows a password, so it cannot be printed.
pub(crate) struct Mailer {
    host: String,
    port: u16,
    security: Security,
    login: Option<Credentials>,
    outbound: Outbound,
    from: Mailbox,
    recipients: Vec<Mailbox>,
}

#[derive(Clone, Copy, PartialEq, Eq)]
enum Security {
    Tls,
    StartTls,
    Clear,
}

/// What is written.
pub(crate) struct Letter<'a> {
    /// Without host; the same whenever it is sent again.
    pub(crate) id: &'a str,
    /// The id of the letter that it follows.
    pub(crate) follows: Option<&'a str>,
    pub(crate) subject: &'a str,
    pub(crate) text: String,
    pub(crate) html: Option<String>,
}

impl std::fmt::Debug for Mailer {
    fn fmt(&self, out: &mut std::fmt::Formatter<'_>) -> std::fmt::Result {
        out.debug_struct("Mailer").field("host", &self.host).field("port", &self.port).finish_non_exhaustive()
    }
}

impl Mailer {
    pub(crate) fn new(outside: Outside, from: Option<&str>, recipients: &[String]) -> Result<Self, String> {
        let Outside { url, secret, outbound } = outside;
        let (security, port) = security(&url)?;
        let outbound = if security == Security::Clear { outbound.in_the_clear() } else { outbound };
        let host = url.host_str().ok_or("its address names no host")?.trim_matches(['[', ']']).to_owned();
        let mailbox = |text: &str| text.parse::<Mailbox>().map_err(|_| format!("{text:?} is no address of mail"));
        let from = mailbox(from.ok_or("whom mail comes from is needed: from")?)?;
        let recipients: Vec<Mailbox> = recipients.iter().map(|text| mailbox(text)).collect::<Result<_, _>>()?;
        if recipients.is_empty() {
            return Err("nobody is to get it: recipients".to_owned());
        }
        let login = secret.as_deref().map(login).transpose()?;
        if login.is_some() && security == Security::Clear {
            return Err("a password is not sent in the clear: use smtps:// or smtp://".to_owned());
        }
        let mailer = Self { host, port: url.port().unwrap_or(port), security, login, outbound, from, recipients };
        mailer.tls()?;
        Ok(mailer)
    }

    pub(crate) async fn send(&self, letter: &Letter<'_>) -> Result<(), Undelivered> {
        let message = self.written(letter).map_err(about_message)?;
        let mut connection = self.connect().await.map_err(Undelivered::from)?;
        let sent = connection.send(message.envelope(), &message.formatted()).await;
        match sent {
            Ok(_) => {
                // It was taken; whether the other side says good-bye changes nothing.
                drop(timeout(GOODBYE_WITHIN, connection.quit()).await);
                Ok(())
            }
            // Of the codes of refusal these are about what was sent and not about who sends or to whom.
            Err(error) => match error.status().map(|code| code.to_string()).as_deref() {
                Some("552" | "554") => Err(about_message(said(&error))),
                _ => Err(Undelivered::from(said(&error))),
            },
        }
    }

    async fn connect(&self) -> Result<AsyncSmtpConnection, String> {
        let addresses = self.outbound.resolve(&self.host, self.port).await?;
        let (hello, tls) = (ClientId::Domain("credwatch".to_owned()), self.tls()?);
        let first = tls.clone().filter(|_| self.security == Security::Tls);
        let connected = match first {
            Some(tls) => {
                let limit = Some(CONNECTED_WITHIN);
                AsyncSmtpConnection::connect_tokio1(addresses.as_slice(), limit, &hello, Some(tls), None).await
            }
            None => {
                let stream = timeout(CONNECTED_WITHIN, Careful::connect(&addresses)).await;
                let stream = stream.map_err(|_| "it cannot be reached".to_owned())?;
                let stream = stream.map_err(|error| format!("connecting: {error}"))?;
                AsyncSmtpConnection::connect_with_transport(Box::new(stream), &hello).await
            }
        };
        let mut connection = connected.map_err(|error| said(&error))?;
        if let Some(tls) = tls.filter(|_| self.security == Security::StartTls) {
            connection.starttls(tls, &hello).await.map_err(|error| said(&error))?;
        }
        if let Some(login) = &self.login {
            let mechanisms = [Mechanism::Plain, Mechanism::Login];
            connection.auth(&mechanisms, login).await.map_err(|error| said(&error))?;
        }
        Ok(connection)
    }

    /// Whom it trusts; `None`: it does not encrypt.
    fn tls(&self) -> Result<Option<TlsParameters>, String> {
        if self.security == Security::Clear {
            return Ok(None);
        }
        let mut tls = TlsParameters::builder(self.host.clone());
        if let Some(pem) = self.outbound.ca() {
            let unread = |_| "its ca_file is no certificate in PEM".to_owned();
            tls = tls.add_root_certificate(Certificate::from_pem(pem).map_err(unread)?);
        }
        tls.build().map(Some).map_err(|error| said(&error))
    }

    fn written(&self, letter: &Letter<'_>) -> Result<Message, String> {
        let subject: String = letter.subject.chars().filter(|one| !one.is_control()).take(LONGEST_SUBJECT).collect();
        let mut message = Message::builder().from(self.from.clone()).subject(subject);
        message = self.recipients.iter().fold(message, |message, one| message.to(one.clone()));
        message = message.message_id(Some(self.id(letter.id)));
        if let Some(first) = letter.follows {
            message = message.in_reply_to(self.id(first)).references(self.id(first));
        }
        let made = match &letter.html {
            None => message.header(ContentType::TEXT_PLAIN).body(letter.text.clone()),
            Some(html) => {
                let (text, html) = (SinglePart::plain(letter.text.clone()), SinglePart::html(html.clone()));
                message.multipart(MultiPart::alternative().singlepart(text).singlepart(html))
            }
        };
        made.map_err(|error| error.to_string())
    }

    fn id(&self, id: &str) -> String {
        let host: &Address = &self.from.email;
        ["<", id, "@", host.domain(), ">"].concat()
    }
}

fn security(url: &Url) -> Result<(Security, u16), String> {
    match url.scheme() {
        _ if !url.username().is_empty() || url.password().is_some() => {
            Err("a user and a password stand in secret_file, as user:password".to_owned())
        }
        "smtps" => Ok((Security::Tls, 465)),
        "smtp" => Ok((Security::StartTls, 587)),
        "smtp+clear" => Ok((Security::Clear, 25)),
        _ => Err("its address begins with smtps://, smtp:// (with STARTTLS) or smtp+clear://".to_owned()),
    }
}

fn login(secret: &str) -> Result<Credentials, String> {
    let (user, password) = secret.split_once(':').ok_or("secret_file holds user:password")?;
    Ok(Credentials::new(user.to_owned(), password.to_owned()))
}

/// The library names the causes of an error in its text.
fn said(error: &dyn std::error::Error) -> String {
    crate::delivering::words(error.to_string().as_bytes())
}

fn about_message(why: String) -> Undelivered {
    Undelivered { why, after: None, blames: Blames::Message }
}

#[cfg(test)]
mod tests {
    use super::*;

    fn mailer(url: &str, secret: Option<&str>) -> Result<Mailer, String> {
        let outbound = Outbound::new(vec!["127.0.0.1/32".parse().unwrap()], None);
        let outside = Outside { url: url.parse().unwrap(), secret: secret.map(str::to_owned), outbound };
        Mailer::new(outside, Some("credwatch <watch@example.com>"), &["on-call@example.com".to_owned()])
    }

    fn headers(letter: &Letter<'_>) -> String {
        let message = mailer("smtps://mail.example", None).unwrap().written(letter).unwrap();
        String::from_utf8(message.formatted()).unwrap()
    }

    fn letter<'a>(subject: &'a str, follows: Option<&'a str>) -> Letter<'a> {
        Letter { id: "n_2", follows, subject, text: "words".to_owned(), html: None }
    }

    #[test]
    fn a_letter_has_an_id_of_its_own_and_follows_the_first_of_its_thread() {
        let written = headers(&letter("hello", Some("t_1")));
        assert!(written.contains("Message-ID: <n_2@example.com>"), "{written}");
        assert!(
            written.contains("In-Reply-To: <t_1@example.com>") && written.contains("References: <t_1@example.com>")
        );
    }

    #[test]
    fn a_subject_that_others_wrote_brings_no_header_of_its_own() {
        let written = headers(&letter("a\r\nBcc: eve@example.net", None));
        assert!(!written.lines().any(|line| line.starts_with("Bcc")), "{written}");
        assert!(headers(&letter(&"é".repeat(5_000), None)).len() < 4_000);
    }

    #[test]
    fn a_way_of_sending_that_cannot_be_meant_is_refused() {
        for (url, secret, why) in [
            ("https://mail.example", None, "begins with smtps"),
            ("smtps://user@mail.example", None, "secret_file"),
            ("smtps://mail.example", Some("password"), "user:password"),
            ("smtp+clear://127.0.0.1", Some("user:password"), "in the clear"),
        ] {
            let refused = mailer(url, secret).unwrap_err();
            assert!(refused.contains(why), "{url}: {refused}");
        }
    }
}
