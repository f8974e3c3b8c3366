//! How a server is reached from the command line: its URL, how the connection is secured, and who we are there.
use crate::{Error, Settings, session::Session};
use clap::Args;
use pollux_crds::{
    OpcUaDevice, OpcUaIdentity, OpcUaMode, OpcUaPolicy, OpcUaSecret, OpcUaSecurity, OpcUaThumbprint, OpcUaTrust,
    PASSWORD, Span, USER_NAME,
};
use pollux_mapper::Cx;
use serde::de::DeserializeOwned;
use std::{env, fs, io, path::PathBuf, sync::Arc};

/// Where a password may stand, so that it need not be an argument, which others on the machine see.
const PASSWORD_VARIABLE: &str = "POLLUX_OPCUA_PASSWORD";
/// What a Secret of the command line is called.
const SECRET: &str = "command-line";

#[derive(Debug, Args)]
pub(super) struct Access {
    /// opc.tcp://HOST[:4840][/PATH]
    pub(super) url: String,
    /// Best, Aes256_Sha256_RsaPss, Basic256Sha256, Aes128_Sha256_RsaOaep, or, with --insecure, Basic256, Basic128Rsa15 or None
    /// [default: Best; with --insecure None]
    #[arg(long, value_parser = word::<OpcUaPolicy>)]
    policy: Option<OpcUaPolicy>,
    /// SignAndEncrypt or Sign [default: SignAndEncrypt]
    #[arg(long, value_parser = word::<OpcUaMode>)]
    mode: Option<OpcUaMode>,
    /// Allows policies that protect nothing, or no longer enough: whoever stands in between may read and write
    #[arg(long)]
    insecure: bool,
    /// Thumbprint of the server's certificate (SHA-1 or SHA-256), as the server shows it; without it the error tells what it is
    #[arg(long, value_name = "THUMBPRINT", value_parser = thumbprint)]
    trust: Vec<String>,
    /// The certificate need not name the host of the URL
    #[arg(long)]
    any_host: bool,
    /// User; the password stands in the environment as POLLUX_OPCUA_PASSWORD, or in a file [default: anonymous]
    #[arg(long)]
    user: Option<String>,
    /// File of the password
    #[arg(long, requires = "user")]
    password_file: Option<PathBuf>,
    /// Where our certificate is kept, which the server may have to be told to trust [default: pollux/opcua in the user's state folder]
    #[arg(long)]
    state_dir: Option<PathBuf>,
    /// How long connecting, and each answer, may take
    #[arg(long, default_value = "10s")]
    pub(super) timeout: Span,
}

/// A word of the schema.
fn word<T: DeserializeOwned>(text: &str) -> Result<T, String> {
    serde_json::from_value(text.into()).map_err(|error| error.to_string())
}
/// In any of the ways in which tools show one.
fn thumbprint(text: &str) -> Result<String, String> {
    let digits: String = text.chars().filter(|c| !matches!(c, ':' | ' ')).collect::<String>().to_ascii_lowercase();
    let hexadecimal = digits.bytes().all(|byte| byte.is_ascii_hexdigit());
    if hexadecimal && matches!(digits.len(), 40 | 64) {
        return Ok(digits);
    }
    Err("must be 40 hexadecimal digits (SHA-1) or 64 (SHA-256)".into())
}

impl Access {
    /// As a Device or a Channel has it; the Secrets of user and certificate by the names that they are to have.
    pub(super) fn device(&self, secret: &str, certificate: Option<&str>) -> OpcUaDevice {
        let policy = self.policy.or(self.insecure.then_some(OpcUaPolicy::None));
        let trust = OpcUaTrust {
            thumbprints: self.trust.iter().cloned().map(OpcUaThumbprint).collect(),
            ..OpcUaTrust::default()
        };
        let security = OpcUaSecurity {
            policy,
            mode: self.mode,
            insecure: self.insecure.then_some(true),
            trust: (!self.trust.is_empty()).then_some(trust),
            check_host_name: self.any_host.then_some(false),
            certificate: certificate.map(|secret| OpcUaSecret { secret: secret.to_owned() }),
        };
        let user = self.user.as_ref().map(|_| OpcUaSecret { secret: secret.to_owned() });
        OpcUaDevice {
            url: Some(self.url.clone()),
            security: (security != OpcUaSecurity::default()).then_some(security),
            identity: user.map(|user| OpcUaIdentity { user: Some(user), certificate: None }),
            ..OpcUaDevice::default()
        }
    }
    /// Whether it goes as somebody.
    pub(super) fn user(&self) -> Option<&str> {
        self.user.as_deref()
    }
    /// A session there.
    pub(super) async fn open(&self) -> Result<Session, Error> {
        let device = OpcUaDevice { connect_timeout: Some(self.timeout), ..self.device(SECRET, None) };
        if let Some((policy, OpcUaSecurity { insecure: None, .. })) =
            device.security.as_ref().and_then(|security| Some((security.policy?, security.clone())))
            && matches!(policy, OpcUaPolicy::None | OpcUaPolicy::Basic256 | OpcUaPolicy::Basic128Rsa15)
        {
            return Err(Error::Config("--policy None, Basic256 and Basic128Rsa15 need --insecure".into()));
        }
        let settings = Settings::new(&device).map_err(|error| Error::Config(error.text))?;
        let cx = self.cx()?;
        Session::connect(Arc::new(settings), &cx).await
    }
    fn cx(&self) -> Result<Cx, Error> {
        let mut cx = Cx { state_dir: self.state_dir()?, ..Cx::default() };
        if let Some(user) = &self.user {
            let password = match &self.password_file {
                Some(file) => fs::read(file).map_err(|error| Error::Config(format!("{}: {error}", file.display())))?,
                None => env::var(PASSWORD_VARIABLE).map(String::into_bytes).map_err(|_| {
                    Error::Config(format!("--user needs a password: set {PASSWORD_VARIABLE}, or give --password-file"))
                })?,
            };
            cx.secrets.insert(format!("{SECRET}.{USER_NAME}"), user.clone().into_bytes());
            cx.secrets.insert(format!("{SECRET}.{PASSWORD}"), password);
        }
        Ok(cx)
    }
    /// A folder for our certificate, made where it is not there. None: there is no home, or nothing can be kept in it, as in a Pod, and the
    /// certificate is this run's alone.
    fn state_dir(&self) -> Result<Option<PathBuf>, Error> {
        let state = env::var_os("XDG_STATE_HOME").map(PathBuf::from);
        let state = state.or_else(|| env::var_os("HOME").map(|home| PathBuf::from(home).join(".local/state")));
        let Some(folder) = self.state_dir.clone().or_else(|| Some(state?.join("pollux/opcua"))) else {
            return Ok(None);
        };
        match fs::create_dir_all(&folder) {
            Ok(()) => Ok(Some(folder)),
            Err(error) if self.state_dir.is_none() && is_closed(&error) => Ok(None),
            Err(error) => Err(Error::Config(format!("{}: {error}; see --state-dir", folder.display()))),
        }
    }
}

/// Nobody meant us to write there.
fn is_closed(error: &io::Error) -> bool {
    matches!(error.kind(), io::ErrorKind::PermissionDenied | io::ErrorKind::ReadOnlyFilesystem)
}
