//! `trust`: what a server shows before it is trusted, and the lines that trust it. Nothing is kept; who compares the thumbprint with what
//! the server itself shows, decides.
use super::{end, print};
use crate::{
    error::{Error, Result},
    security::{
        Expected, Trust,
        certificate::{self, Certificate},
        offers, told, trusted,
    },
    wire::Limits,
};
use clap::{ArgMatches, Args, Command, FromArgMatches};
use opcua::{
    crypto::SecurityPolicy,
    types::{ByteString, EndpointDescription, UserTokenType},
};
use pollux_crds::{Span, host_and_port};
use pollux_mapper::{Exit, Out};
use std::collections::{BTreeMap, BTreeSet};
use tokio::time::Instant;

const EXAMPLES: &str = "\
Examples:
  pollux-opcua trust opc.tcp://plc-1
  pollux-opcua trust opc.tcp://10.0.0.5:4841/server --timeout 30s

Prints what the server shows as remarks of YAML, and the lines that trust its certificate, for spec.protocol.opcua of a Channel or Device.
The server is asked without security, so whoever stands in between may have answered: compare the thumbprint with what the server itself
shows before you write the lines anywhere.";

/// Show a server's certificate and endpoints, and the lines that trust it
#[derive(Debug, Args)]
struct Options {
    /// opc.tcp://HOST[:4840][/PATH]
    url: String,
    /// How long it may take
    #[arg(long, default_value = "10s")]
    timeout: Span,
}

pub(super) fn command() -> Command {
    let about = "Show a server's certificate and endpoints, and the lines that trust it";
    Options::augment_args(Command::new("trust").about(about)).after_help(EXAMPLES)
}

pub(super) async fn run(matches: ArgMatches, mut out: Out) -> Exit {
    let options = match Options::from_arg_matches(&matches) {
        Ok(options) => options,
        Err(error) => return end(&mut out, Exit::Usage, &error.to_string()),
    };
    match shown(&options).await {
        Ok(text) => print(&mut out, &text),
        Err(error @ Error::Config(_)) => end(&mut out, Exit::Usage, &error.to_string()),
        Err(error) => end(&mut out, Exit::Fault, &error.to_string()),
    }
}

async fn shown(options: &Options) -> Result<String> {
    let url = &options.url;
    let wrong = || Error::Config(format!("{url}: must be opc.tcp://HOST[:PORT][/PATH], such as opc.tcp://plc-1:4840"));
    let (host, port, _) = host_and_port(url).ok_or_else(wrong)?;
    let until = Instant::now() + options.timeout.duration();
    let offered = offers(&host, port, url, Limits::default(), until).await?;
    Ok(text(&host, url, &offered, jiff::Timestamp::now()))
}

/// All of it.
fn text(host: &str, url: &str, offered: &[EndpointDescription], now: jiff::Timestamp) -> String {
    let mut text = format!("# {url} offers\n");
    let lines: BTreeSet<_> = offered.iter().map(|one| format!("#   {} for {}\n", told(one), users(one))).collect();
    text.extend(lines);
    let mut servers: BTreeMap<(&[u8], &str), Option<String>> = BTreeMap::new();
    for one in offered.iter().filter(|one| !one.server_certificate.is_null_or_empty()) {
        let server = (one.server_certificate.as_ref(), one.server.application_uri.as_ref());
        servers.entry(server).or_insert_with(|| flaw(host, url, one, now));
    }
    let mut prints = vec![];
    for ((chain, uri), flaw) in &servers {
        match Certificate::of(certificate::leaf(chain)) {
            Ok(leaf) => {
                text += &about(&leaf, uri);
                prints.push(leaf.sha256());
            }
            Err(what) => text.extend([format!("# certificate of {}: {what}\n", certificate::shown(uri))]),
        }
        if let Some(flaw) = flaw {
            text.extend([format!("# It would be refused all the same: {flaw}\n")]);
        }
    }
    if prints.is_empty() {
        return text
            + "# It shows no certificate: there is nothing to trust, and nothing but policy None with insecure: true\n";
    }
    text += "security:\n  trust:\n    thumbprints:\n";
    text.extend(prints.iter().map(|one| format!("      - {one}\n")));
    text
}

fn about(leaf: &Certificate, uri: &str) -> String {
    let until = leaf.not_after().map_or_else(|| "unknown".to_owned(), |until| until.to_string());
    let bits = leaf.rsa_bits().map_or_else(|| "not RSA".to_owned(), |bits| format!("RSA {bits}"));
    format!(
        "# certificate of {}\n#   SHA-1   {}\n#   SHA-256 {}\n#   subject {}, issuer {}\n#   for {}, {bits}, valid until {until}\n",
        certificate::shown(uri),
        leaf.sha1(),
        leaf.sha256(),
        leaf.subject(),
        leaf.issuer(),
        certificate::shown(&leaf.hosts().join(", ")),
    )
}

/// Why it is refused by one who trusts it.
fn flaw(host: &str, url: &str, endpoint: &EndpointDescription, now: jiff::Timestamp) -> Option<String> {
    let certificate: &ByteString = &endpoint.server_certificate;
    let print = Certificate::of(certificate::leaf(certificate.as_ref())).ok()?.sha256();
    let trust = Trust { thumbprints: vec![print], ..Trust::default() };
    let uri = endpoint.server.application_uri.as_ref();
    let of = Expected { host: Some(host), uri, url, policy: SecurityPolicy::Basic256Sha256 };
    trusted(certificate, &of, &trust, now).err().map(|error| error.to_string())
}

fn users(endpoint: &EndpointDescription) -> String {
    let kind = |token: UserTokenType| match token {
        UserTokenType::Anonymous => "anonymous",
        UserTokenType::UserName => "users with a password",
        UserTokenType::Certificate => "users with a certificate",
        UserTokenType::IssuedToken => "users of an issuer",
    };
    let kinds: BTreeSet<_> = endpoint.user_identity_tokens.iter().flatten().map(|one| kind(one.token_type)).collect();
    if kinds.is_empty() { "nobody".to_owned() } else { kinds.into_iter().collect::<Vec<_>>().join(", ") }
}

#[cfg(test)]
mod tests {
    use super::*;
    use pollux_crds::OpcUaDevice;
    use rcgen::{CertificateParams, SanType};

    fn endpoint(policy: SecurityPolicy, certificate: &[u8]) -> EndpointDescription {
        let mut endpoint = EndpointDescription {
            security_policy_uri: policy.to_uri().into(),
            server_certificate: ByteString::from(certificate),
            user_identity_tokens: Some(vec![opcua::types::UserTokenPolicy::default()]),
            ..EndpointDescription::default()
        };
        endpoint.server.application_uri = "urn:plc-1\n- injected: true".into();
        endpoint
    }

    #[test]
    fn what_it_prints_is_yaml_that_a_device_takes_whatever_the_server_says() {
        let mut params = CertificateParams::default();
        params.subject_alt_names = vec![SanType::DnsName("plc-1".try_into().unwrap())];
        let der = params.self_signed(&rcgen::KeyPair::generate().unwrap()).unwrap().der().to_vec();
        let offered = [
            endpoint(SecurityPolicy::None, &der),
            endpoint(SecurityPolicy::Basic256Sha256, &der),
            endpoint(SecurityPolicy::Basic256Sha256, b"garbage"),
        ];
        let printed = text("plc-1", "opc.tcp://plc-1", &offered, jiff::Timestamp::now());
        let yaml: serde_json::Value = lines(&printed);
        let print = Certificate::of(&der).unwrap().sha256();
        assert_eq!(yaml["security"]["trust"]["thumbprints"], serde_json::json!([print]));
        let mut device = yaml;
        device["url"] = "opc.tcp://plc-1".into();
        serde_json::from_value::<OpcUaDevice>(device).unwrap();
        for part in ["Basic256Sha256", "anonymous", "no certificate", "not of an RSA key"] {
            assert!(printed.contains(part), "{part} in {printed}");
        }
        let nothing = text("plc-1", "opc.tcp://plc-1", &[], jiff::Timestamp::now());
        assert!(nothing.contains("no certificate") && nothing.lines().all(|line| line.starts_with('#')), "{nothing}");
    }
    /// The few lines that are no remarks, by hand.
    fn lines(printed: &str) -> serde_json::Value {
        let lines: Vec<_> = printed.lines().filter(|line| !line.starts_with('#')).collect();
        let prints = lines.get(3..).unwrap().iter().map(|line| line.strip_prefix("      - ").unwrap());
        assert_eq!(lines[..3], ["security:", "  trust:", "    thumbprints:"]);
        serde_json::json!({"security": {"trust": {"thumbprints": prints.collect::<Vec<_>>()}}})
    }
}
