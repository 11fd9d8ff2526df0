//! The demo's folder, ports and child processes.

use std::fs::OpenOptions;
use std::io::Write as _;
use std::net::{SocketAddr, TcpListener};
use std::path::{Path, PathBuf};
use std::process::Stdio;
use std::time::Duration;

use anyhow::{Context as _, bail};
use haechi_core::SystemClock;
use haechi_git::Change;
use rustix::process::{Pid, Signal, kill_process};
use tokio::process::{Child, Command};

/// The ports that the demo listens on, all on 127.0.0.1.
#[derive(Clone, Copy, Debug)]
pub struct Ports {
    /// The gateway.
    pub gateway: u16,
    /// The console.
    pub admin: u16,
    /// The registry.
    pub registry: u16,
    /// The config server.
    pub config: u16,
    /// The two instances of the service.
    pub instances: [u16; 2],
}

impl Ports {
    /// The story's own ports, or six in a row from `base`, or six free ones where `base` is 0.
    pub fn new(base: Option<u16>) -> anyhow::Result<Self> {
        let Some(base) = base else {
            return Ok(Self {
                gateway: 9999,
                admin: 9900,
                registry: 8761,
                config: 8888,
                instances: [8000, 8989],
            });
        };
        if base == 0 {
            return Self::free();
        }
        if !(1024..=u16::MAX - 5).contains(&base) {
            bail!(
                "--port-base takes 1024 to {}, and six ports in a row are used from it; 0 takes six free ones",
                u16::MAX - 5
            );
        }
        Ok(Self {
            gateway: base,
            admin: base + 1,
            registry: base + 2,
            config: base + 3,
            instances: [base + 4, base + 5],
        })
    }

    /// Ports that nothing listens on now. They are held until all six are known, so that they differ.
    fn free() -> anyhow::Result<Self> {
        let held = (0..6)
            .map(|_| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], 0))))
            .collect::<Result<Vec<_>, _>>()?;
        let port = |n: usize| held[n].local_addr().map(|address| address.port());
        Ok(Self {
            gateway: port(0)?,
            admin: port(1)?,
            registry: port(2)?,
            config: port(3)?,
            instances: [port(4)?, port(5)?],
        })
    }

    fn named(&self) -> [(&'static str, u16); 6] {
        [
            ("gateway", self.gateway),
            ("console", self.admin),
            ("registry", self.registry),
            ("config server", self.config),
            ("first helloworld-service", self.instances[0]),
            ("second helloworld-service", self.instances[1]),
        ]
    }

    /// Fails with every port that something else listens on.
    pub fn check_free(&self) -> anyhow::Result<()> {
        let taken: Vec<String> = self
            .named()
            .iter()
            .filter(|(_, port)| TcpListener::bind(SocketAddr::from(([127, 0, 0, 1], *port))).is_err())
            .map(|(name, port)| format!("  {port} ({name})"))
            .collect();
        if taken.is_empty() {
            return Ok(());
        }
        bail!(
            "something else listens on ports that the demo needs:\n{}\nStop it, or move all six: haechi demo --port-base 20000",
            taken.join("\n")
        )
    }
}

/// The demo's files.
pub struct Folder {
    /// The folder.
    pub path: PathBuf,
}

/// The story's properties, as in the original demo.
const FILES: [(&str, &str); 4] = [
    ("application.properties", "# Shared by every application.\nmanagement.security.enabled=false\n"),
    ("discovery-service.properties", "server.port=8761\neureka.client.register-with-eureka=false\n"),
    (
        "helloworld-client.properties",
        "# The gateway's routes, as Zuul reads them.\n\
         zuul.ignored-services=*\n\
         zuul.ignoredPatterns=/**/api/**\n\
         zuul.routes.helloworld-service=/hello/**\n\
         helloworld-service.ribbon.ConnectTimeout=500\n\
         helloworld-service.ribbon.ReadTimeout=1000\n",
    ),
    ("helloworld-service.properties", "message=Hello World!\n"),
];

/// Who commits in the demo.
const AUTHOR: &str = "Haechi demo";
const EMAIL: &str = "demo@haechi.invalid";

impl Folder {
    /// Makes the folder with its git repository and `haechi.yaml`. Without `chosen` it is a fresh one in the
    /// system's temporary folder; a chosen one that holds the repository already is used as it is.
    pub fn make(chosen: Option<&Path>, ports: &Ports) -> anyhow::Result<Self> {
        let path = if let Some(path) = chosen {
            path.to_owned()
        } else {
            let path = std::env::temp_dir().join(format!("haechi-demo-{}", ports.gateway));
            match std::fs::remove_dir_all(&path) {
                Err(error) if error.kind() != std::io::ErrorKind::NotFound => {
                    return Err(error).with_context(|| format!("can't clear {}", path.display()));
                }
                _ => path,
            }
        };
        std::fs::create_dir_all(&path).with_context(|| format!("can't make {}", path.display()))?;
        let path = path.canonicalize()?;
        let folder = Self { path };
        if !folder.repository().join(".git").exists() {
            haechi_git::init(&folder.repository())?;
            folder.name_author()?;
            folder.commit(&FILES, "The demo's configuration")?;
        }
        std::fs::write(folder.file(), folder.yaml(ports))?;
        Ok(folder)
    }

    /// Names an author in the repository's own settings, so that `git commit` works on a machine where git knows
    /// of none.
    fn name_author(&self) -> anyhow::Result<()> {
        let mut settings = OpenOptions::new().append(true).open(self.repository().join(".git/config"))?;
        write!(settings, "[user]\n\tname = {AUTHOR}\n\temail = {EMAIL}\n")?;
        Ok(())
    }

    /// The git repository that the config server serves.
    pub fn repository(&self) -> PathBuf {
        self.path.join("config-repo")
    }

    /// The file that `haechi up` takes.
    pub fn file(&self) -> PathBuf {
        self.path.join("haechi.yaml")
    }

    /// The gateway's access log, a JSON object a line.
    pub fn access_log(&self) -> PathBuf {
        self.path.join("access.log")
    }

    /// Writes and commits files.
    pub fn commit(&self, files: &[(&str, &str)], message: &str) -> anyhow::Result<()> {
        let seconds = i64::try_from(SystemClock::start().wall().0 / 1000)?;
        let by = haechi_git::Signature { name: AUTHOR.into(), email: EMAIL.into(), seconds };
        let changes: Vec<(&str, Change<'_>)> =
            files.iter().map(|(path, text)| (*path, Change::Write(text.as_bytes()))).collect();
        haechi_git::commit(&self.repository(), &changes, message, &by)?;
        Ok(())
    }

    fn yaml(&self, ports: &Ports) -> String {
        let folder = self.path.display();
        format!(
            "# Written by `haechi demo`. Try: haechi check {folder}/haechi.yaml\n\
             admin: {{ listen: 127.0.0.1:{admin} }}\n\
             registry: {{ listen: 127.0.0.1:{registry} }}\n\
             config: {{ listen: 127.0.0.1:{config}, git: {{ uri: \"file://{folder}/config-repo\" }} }}\n\
             gateway:\n\
             \x20 workers: 1            # strict turns between two instances; leave it out to use every core\n\
             \x20 listeners: [{{ name: web, listen: 127.0.0.1:{gateway} }}]\n\
             \x20 access-log: {{ path: \"{folder}/access.log\", format: json }}\n\
             \x20 import: {{ zuul: {{ application: helloworld-client }} }}\n",
            admin = ports.admin,
            registry = ports.registry,
            config = ports.config,
            gateway = ports.gateway,
        )
    }
}

/// One instance of the service, a child process.
pub struct Instance {
    /// Its port.
    pub port: u16,
    child: Child,
}

impl Instance {
    /// Starts it from this very program.
    pub fn start(port: u16, ports: &Ports) -> anyhow::Result<Self> {
        let child = Command::new(std::env::current_exe()?)
            .arg("demo-service")
            .args(["--port", &port.to_string()])
            .args(["--registry", &format!("http://127.0.0.1:{}/eureka", ports.registry)])
            .args(["--config", &format!("http://127.0.0.1:{}", ports.config)])
            .stdin(Stdio::null())
            .kill_on_drop(true)
            .spawn()
            .context("can't start helloworld-service")?;
        Ok(Self { port, child })
    }

    fn signal(&self, signal: Signal) -> anyhow::Result<()> {
        let pid = self.child.id().and_then(|id| Pid::from_raw(i32::try_from(id).ok()?));
        match pid {
            Some(pid) => Ok(kill_process(pid, signal)?),
            None => bail!("helloworld-service on {} has ended already", self.port),
        }
    }

    /// Asks it to stop and waits until it has.
    pub async fn stop(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::TERM)?;
        let status = tokio::time::timeout(Duration::from_secs(10), self.child.wait())
            .await
            .context("helloworld-service did not stop within 10 s")??;
        if !status.success() {
            bail!("helloworld-service on {} ended with {status}", self.port);
        }
        Ok(())
    }

    /// SIGKILL, and waits for the end.
    pub async fn kill(&mut self) -> anyhow::Result<()> {
        self.signal(Signal::KILL)?;
        self.child.wait().await?;
        Ok(())
    }

    /// SIGSTOP: it keeps its sockets and answers nothing.
    pub fn freeze(&self) -> anyhow::Result<()> {
        self.signal(Signal::STOP)
    }

    /// SIGCONT.
    pub fn thaw(&self) -> anyhow::Result<()> {
        self.signal(Signal::CONT)
    }
}
