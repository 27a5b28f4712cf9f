//! A real Apache Kafka: one process that is broker and controller, on free ports, in a scratch folder.

use std::collections::BTreeSet;
use std::fmt::Write;
use std::net::TcpListener;
use std::path::{Path, PathBuf};
use std::process::Command;
use std::sync::{Mutex, OnceLock};
use std::time::Duration;

use rdkafka::ClientConfig;
use rdkafka::consumer::{BaseConsumer, Consumer};
use tempfile::TempDir;

use crate::guarded::Guarded;
use crate::waiting::until;

/// Of every mechanism of the SASL_SSL listener.
pub const USER: &str = "credwatch";
pub const PASSWORD: &str = "correct-horse-battery";

/// Whether there are also a listener with TLS and every mechanism of SASL, and one that asks for client certificates.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Listeners {
    Plain,
    PlainAndSecure,
}

/// Ports of the listeners with TLS.
#[derive(Debug, Clone, Copy)]
struct Secure {
    sasl: u16,
    mutual: u16,
}

#[derive(Debug)]
pub struct Broker {
    folder: TempDir,
    plain: u16,
    secure: Option<Secure>,
    process: Option<Guarded>,
}

impl Broker {
    /// A broker for tests that do not harm it; all of a test process share it.
    pub fn shared() -> &'static Self {
        static SHARED: OnceLock<Broker> = OnceLock::new();
        SHARED.get_or_init(|| Self::start(Listeners::Plain))
    }

    /// Formats its storage, starts it and waits until it answers.
    pub fn start(listeners: Listeners) -> Self {
        let folder = TempDir::with_prefix("kafka-").expect("creating a scratch folder");
        let secure =
            (listeners == Listeners::PlainAndSecure).then(|| Secure { sasl: free_port(), mutual: free_port() });
        let mut broker = Self { folder, plain: free_port(), secure, process: None };
        if secure.is_some() {
            broker.make_certificates();
        }
        std::fs::write(broker.properties(), broker.settings(free_port())).expect("writing server.properties");
        broker.format();
        broker.start_again();
        broker
    }

    /// Where clients without credentials connect.
    pub fn address(&self) -> String {
        format!("127.0.0.1:{}", self.plain)
    }

    /// Where clients connect with TLS and SASL.
    pub fn secure_address(&self) -> String {
        format!("localhost:{}", self.secure.expect("this broker has secure listeners").sasl)
    }

    /// Where clients connect with TLS and a certificate of their own.
    pub fn mutual_address(&self) -> String {
        format!("localhost:{}", self.secure.expect("this broker has secure listeners").mutual)
    }

    /// The certificate that clients of the secure listeners trust.
    pub fn certificate(&self) -> PathBuf {
        self.folder.path().join("broker.pem")
    }

    /// A certificate and its key: the broker trusts `client`, and has never seen `stranger`.
    pub fn client_certificate(&self, name: &str) -> (PathBuf, PathBuf) {
        let file = |ending| self.folder.path().join(format!("{name}.{ending}"));
        (file("pem"), file("key"))
    }

    /// Starts it on the data that it has.
    pub fn start_again(&mut self) {
        assert!(self.process.is_none(), "the broker runs already");
        let properties = self.properties();
        let command = java(&["kafka.Kafka", properties.to_str().expect("a path in UTF-8")]);
        let command: Vec<&str> = command.iter().map(String::as_str).collect();
        let mut process = Guarded::start(&command, &[], self.folder.path(), &self.log());
        let address = self.address();
        until("Kafka answers", Duration::from_secs(90), || {
            assert!(process.has_ended().is_none(), "Kafka ended at once; its log ends with:\n{}", tail(&self.log()));
            answers(&address).then_some(())
        });
        self.process = Some(process);
    }

    /// Lets it shut down in order.
    pub fn stop(&mut self) {
        self.process.take().expect("the broker runs").stop();
    }

    /// Pulls the plug.
    pub fn kill9(&mut self) {
        self.process.take().expect("the broker runs").kill9();
    }

    /// The id of its process.
    pub fn process_id(&self) -> &str {
        self.process.as_ref().expect("the broker runs").id()
    }

    /// Client settings for the plain listener.
    pub fn client(&self) -> ClientConfig {
        let mut config = ClientConfig::new();
        config.set("bootstrap.servers", self.address());
        config
    }

    fn properties(&self) -> PathBuf {
        self.folder.path().join("server.properties")
    }

    fn log(&self) -> PathBuf {
        self.folder.path().join("kafka.log")
    }

    fn settings(&self, controller: u16) -> String {
        let (data, plain) = (self.folder.path().join("data"), self.plain);
        let mut listeners = format!("PLAINTEXT://127.0.0.1:{plain}");
        if let Some(Secure { sasl, mutual }) = self.secure {
            write!(listeners, ",SASL_SSL://localhost:{sasl},SSL://localhost:{mutual}").expect("writing to a string");
        }
        let mut text = format!(
            "process.roles=broker,controller\nnode.id=1\ncontroller.quorum.voters=1@127.0.0.1:{controller}\n\
             listeners={listeners},CONTROLLER://127.0.0.1:{controller}\nadvertised.listeners={listeners}\n\
             controller.listener.names=CONTROLLER\ninter.broker.listener.name=PLAINTEXT\n\
             listener.security.protocol.map=PLAINTEXT:PLAINTEXT,CONTROLLER:PLAINTEXT,SASL_SSL:SASL_SSL,SSL:SSL\n\
             log.dirs={}\nauto.create.topics.enable=false\ngroup.initial.rebalance.delay.ms=0\n\
             group.min.session.timeout.ms=1000\n\
             offsets.topic.num.partitions=2\noffsets.topic.replication.factor=1\n\
             transaction.state.log.num.partitions=2\ntransaction.state.log.replication.factor=1\n\
             transaction.state.log.min.isr=1\nmessage.max.bytes=8000000\n",
            data.display()
        );
        if self.secure.is_some() {
            text.push_str(&self.secure_settings());
        }
        text
    }

    fn secure_settings(&self) -> String {
        let mut text = "sasl.enabled.mechanisms=PLAIN,SCRAM-SHA-256,SCRAM-SHA-512,OAUTHBEARER\n".to_owned();
        let plain = format!("plain.PlainLoginModule required user_{USER}=\"{PASSWORD}\"");
        let token = format!("oauthbearer.OAuthBearerLoginModule required unsecuredLoginStringClaim_sub=\"{USER}\"");
        let scram = "scram.ScramLoginModule required".to_owned();
        for (mechanism, module) in
            [("plain", plain), ("scram-sha-256", scram.clone()), ("scram-sha-512", scram), ("oauthbearer", token)]
        {
            let key = format!("listener.name.sasl_ssl.{mechanism}.sasl.jaas.config");
            writeln!(text, "{key}=org.apache.kafka.common.security.{module};").expect("writing to a string");
        }
        let (keystore, client) = (self.keystore(), self.client_certificate("client").0);
        write!(
            text,
            "ssl.keystore.type=PKCS12\nssl.keystore.location={}\nssl.keystore.password={PASSWORD}\n\
             listener.name.ssl.ssl.client.auth=required\n\
             listener.name.ssl.ssl.truststore.type=PEM\nlistener.name.ssl.ssl.truststore.location={}\n",
            keystore.display(),
            client.display()
        )
        .expect("writing to a string");
        text
    }

    fn keystore(&self) -> PathBuf {
        self.folder.path().join("broker.p12")
    }

    fn make_certificates(&self) {
        let (keystore, pem) = (self.keystore(), self.certificate());
        let (keystore, pem) = (keystore.to_str().expect("UTF-8"), pem.to_str().expect("UTF-8"));
        let shared = ["-alias", "broker", "-keystore", keystore, "-storetype", "PKCS12", "-storepass", PASSWORD];
        let made =
            ["-genkeypair", "-keyalg", "RSA", "-dname", "CN=localhost", "-ext", "san=dns:localhost,ip:127.0.0.1"];
        run("keytool", &[&made[..], &shared[..]].concat());
        run("keytool", &[&["-exportcert", "-rfc", "-file", pem][..], &shared[..]].concat());
        for name in ["client", "stranger"] {
            let (certificate, key) = self.client_certificate(name);
            let (certificate, key) = (certificate.to_str().expect("UTF-8"), key.to_str().expect("UTF-8"));
            let made = ["req", "-x509", "-newkey", "rsa:2048", "-nodes", "-days", "30", "-subj", "/CN=credwatch"];
            run("openssl", &[&made[..], &["-keyout", key, "-out", certificate]].concat());
        }
    }

    fn format(&self) {
        let properties = self.properties();
        let users = ["SCRAM-SHA-256", "SCRAM-SHA-512"].map(|one| format!("{one}=[name={USER},password={PASSWORD}]"));
        let mut arguments = vec!["kafka.tools.StorageTool", "format", "-t", "bWljcm9zZWNvbmRzVVRDMQ", "-c"];
        arguments.push(properties.to_str().expect("a path in UTF-8"));
        if self.secure.is_some() {
            arguments.extend(users.iter().flat_map(|user| ["--add-scram", user]));
        }
        let command = java(&arguments);
        let rest: Vec<&str> = command[1..].iter().map(String::as_str).collect();
        run(&command[0], &rest);
    }
}

/// `java` with Kafka's jars, or a failure that says how to get them.
fn java(arguments: &[&str]) -> Vec<String> {
    let jars = Path::new(env!("CARGO_MANIFEST_DIR")).join("../target/kafka");
    assert!(
        jars.join(".complete").exists(),
        "Apache Kafka is not in target/kafka; run `make test` (or `scripts/needs build test`) to fetch it with Maven"
    );
    let class_path = format!("{}/*", jars.display());
    let mut command: Vec<String> =
        ["java", "-Xmx512m", "-XX:+UseSerialGC", "-cp", &class_path].map(str::to_owned).into();
    command.extend(arguments.iter().map(|argument| (*argument).to_owned()));
    command
}

fn run(program: &str, arguments: &[&str]) {
    let ended = Command::new(program).args(arguments).output();
    let ended = ended
        .unwrap_or_else(|error| panic!("{program} (of a Java 17 runtime, or openssl) could not be started: {error}"));
    assert!(ended.status.success(), "{program} failed: {}", String::from_utf8_lossy(&ended.stderr));
}

/// A port that is free now, and that this process has not given away before.
pub fn free_port() -> u16 {
    static GIVEN: Mutex<BTreeSet<u16>> = Mutex::new(BTreeSet::new());
    until("there is a free port", Duration::from_secs(10), || {
        let listener = TcpListener::bind("127.0.0.1:0").expect("finding a free port");
        let port = listener.local_addr().expect("reading the free port").port();
        GIVEN.lock().expect("no test panicked here").insert(port).then_some(port)
    })
}

fn answers(address: &str) -> bool {
    let mut config = ClientConfig::new();
    config.set("bootstrap.servers", address).set("log_level", "0");
    let client: BaseConsumer = config.create().expect("creating a Kafka client");
    client.fetch_metadata(None, Duration::from_secs(1)).is_ok_and(|metadata| !metadata.brokers().is_empty())
}

fn tail(log: &Path) -> String {
    let text = std::fs::read_to_string(log).unwrap_or_default();
    let lines: Vec<&str> = text.lines().collect();
    lines[lines.len().saturating_sub(20)..].join("\n")
}
