//! Our certificate: from a Secret, or one that is made once and kept in the state folder.
use super::{certificate::Certificate, contents::Contents};
use crate::{
    error::{Error, Result},
    wire::Own,
};
use opcua::{
    crypto::{PrivateKey, X509, hostname, random},
    types::ByteString,
};
use pollux_crds::{CERTIFICATE, OpcUaMode, OpcUaSecurity, PRIVATE_KEY};
use pollux_mapper::Cx;
use rcgen::{
    CertificateParams, DistinguishedName, DnType, ExtendedKeyUsagePurpose, IsCa, KeyPair, KeyUsagePurpose,
    PKCS_RSA_SHA256, SanType, date_time_ymd,
};
use rustls_pki_types::{CertificateDer, PrivateKeyDer, PrivatePkcs8KeyDer, pem::PemObject};
use std::{
    fs, io,
    io::Write,
    path::{Path, PathBuf},
    sync::Arc,
};
use tokio::{sync::OnceCell, task::spawn_blocking};

/// Bits of a key that we make: what each policy takes.
const BITS: u32 = 2048;
/// Years that a certificate of ours lives: to replace it, each server must be told.
const YEARS: i16 = 20;
/// Certificate and key in one file, so that they can never be of two makings.
const FILE: &str = "opcua-application.pem";

/// Where there is no state folder: one for as long as the process lives.
static UNKEPT: OnceCell<Arc<Own>> = OnceCell::const_new();

/// Ours; None where nothing is signed.
pub(crate) async fn own(cx: &Cx, security: &OpcUaSecurity) -> Result<Option<Arc<Own>>> {
    if security.effective_mode() == OpcUaMode::None {
        return Ok(None);
    }
    if let Some(secret) = &security.certificate {
        return from_secret(&Contents { name: &secret.secret, cx }).map(|own| Some(Arc::new(own)));
    }
    let Some(folder) = cx.state_dir.clone() else {
        let made = UNKEPT.get_or_try_init(|| async { in_background(|| read(&make()?)).await.map(Arc::new) });
        return made.await.cloned().map(Some);
    };
    in_background(move || kept(&folder)).await.map(|own| Some(Arc::new(own)))
}

async fn in_background<T: Send + 'static>(work: impl FnOnce() -> Result<T> + Send + 'static) -> Result<T> {
    spawn_blocking(work).await.unwrap_or_else(|_| Err(failed("making our certificate failed")))
}
fn failed(text: impl Into<String>) -> Error {
    Error::Security(text.into())
}

/// cert-manager's layout.
fn from_secret(secret: &Contents<'_>) -> Result<Own> {
    let (leaf, key) = leaf_and_key(secret)?;
    application(&leaf, key).map_err(|flaw| in_secret(secret, flaw))
}
/// Of a user: as an application's, but for the URI.
pub(super) fn user(secret: &Contents<'_>) -> Result<(X509, PrivateKey)> {
    let (leaf, key) = leaf_and_key(secret)?;
    let (cert, _) = pair(&leaf, &key).map_err(|flaw| in_secret(secret, flaw))?;
    Ok((cert, key))
}
fn leaf_and_key(secret: &Contents<'_>) -> Result<(Vec<u8>, PrivateKey)> {
    let leaf = secret.certificates(CERTIFICATE)?.into_iter().next().unwrap_or_default();
    let what = "holds no RSA key in PEM that is not encrypted; the policies need RSA";
    let key = rsa_key(secret.content(PRIVATE_KEY)?).ok_or_else(|| secret.wrong(PRIVATE_KEY, what))?;
    Ok((leaf, key))
}
/// The crate reads PEM in lines of 64 only.
fn rsa_key(text: &[u8]) -> Option<PrivateKey> {
    let text = match PrivateKeyDer::from_pem_slice(text).ok()? {
        PrivateKeyDer::Pkcs1(key) => pem("RSA PRIVATE KEY", key.secret_pkcs1_der()),
        PrivateKeyDer::Pkcs8(key) => pem("PRIVATE KEY", key.secret_pkcs8_der()),
        _ => return None,
    };
    PrivateKey::from_pem(text.as_bytes()).ok()
}
fn in_secret(secret: &Contents<'_>, flaw: Flaw) -> Error {
    match flaw {
        Flaw::Certificate(what) => secret.wrong(CERTIFICATE, &what),
        Flaw::Key => secret.wrong(PRIVATE_KEY, "is not the key of the certificate in tls.crt"),
    }
}

/// The file's certificate and key; made where there is no file. Two at once agree: the file appears whole, and only once.
fn kept(folder: &Path) -> Result<Own> {
    let file = folder.join(FILE);
    let said = |error: &io::Error| failed(format!("our certificate, {}: {error}", file.display()));
    let text = match fs::read(&file) {
        Ok(text) => text,
        Err(error) if error.kind() == io::ErrorKind::NotFound => {
            place(&file, &make()?).map_err(|error| said(&error))?;
            fs::read(&file).map_err(|error| said(&error))?
        }
        Err(error) => return Err(said(&error)),
    };
    read(&text).map_err(|error| failed(format!("{error}: remove {} and another is made", file.display())))
}

/// Puts a file there, whole and readable for us alone; one that is there already stays.
fn place(file: &Path, text: &[u8]) -> io::Result<()> {
    use std::os::unix::fs::OpenOptionsExt;
    let mut part = [0; 8];
    random::bytes(&mut part);
    let temporary: PathBuf = file.with_extension(format!("{:016x}.tmp", u64::from_ne_bytes(part)));
    let written = (|| {
        let mut open = fs::OpenOptions::new().write(true).create_new(true).mode(0o600).open(&temporary)?;
        open.write_all(text)?;
        open.sync_all()?;
        match fs::hard_link(&temporary, file) {
            Err(error) if error.kind() != io::ErrorKind::AlreadyExists => Err(error),
            _ => Ok(()),
        }
    })();
    fs::remove_file(&temporary).ok(); // swept at the next start else
    written
}

/// A file of ours.
fn read(text: &[u8]) -> Result<Own> {
    let certificate = CertificateDer::from_pem_slice(text).map_err(|_| failed("our certificate cannot be read"))?;
    let key = rsa_key(text).ok_or_else(|| failed("our key cannot be read"))?;
    application(&certificate, key).map_err(|flaw| match flaw {
        Flaw::Certificate(what) => failed(format!("our certificate {what}")),
        Flaw::Key => failed("our key is another certificate's"),
    })
}

enum Flaw {
    Certificate(String),
    Key,
}

/// An application's. Its URI is what each server compares with what we say of us.
fn application(leaf: &[u8], key: PrivateKey) -> std::result::Result<Own, Flaw> {
    let (cert, certificate) = pair(leaf, &key)?;
    let Some(uri) = certificate.uris().into_iter().next() else {
        let what = "has no URI in its subjectAltName, which must be the ApplicationUri (cert-manager: spec.uris)";
        return Err(Flaw::Certificate(what.to_owned()));
    };
    Ok(Own { cert, key, blob: ByteString::from(leaf), uri })
}

/// A certificate and its key, as the policies need them.
fn pair(leaf: &[u8], key: &PrivateKey) -> std::result::Result<(X509, Certificate), Flaw> {
    let certificate = Certificate::of(leaf).map_err(|what| Flaw::Certificate(format!("begins with {what}")))?;
    let Ok(cert) = X509::from_der(leaf) else { return Err(Flaw::Certificate("begins with no certificate".to_owned())) };
    let Some(bits) = certificate.rsa_bits() else {
        return Err(Flaw::Certificate("is not of an RSA key; the policies need RSA".to_owned()));
    };
    if key.public_key_to_info().ok().as_ref() != Some(certificate.key_info()) {
        return Err(Flaw::Key);
    }
    if !(2048..=4096).contains(&bits) {
        return Err(Flaw::Certificate(format!("is of a key of {bits} bits; 2048 to 4096 are allowed")));
    }
    match certificate.not_valid(jiff::Timestamp::now()) {
        Some(what) => Err(Flaw::Certificate(what)),
        None => Ok((cert, certificate)),
    }
}

/// A new key and its certificate, which it signs itself (Part 6, 6.2.2), as PEM.
pub(super) fn make() -> Result<Vec<u8>> {
    let key = PrivateKey::new(BITS).map_err(|_| failed("cannot make a key"))?;
    let key = key.to_der().map_err(|_| failed("cannot encode our key"))?;
    let word = |name: &str| std::env::var(name).ok().filter(|word| !word.is_empty());
    let node = word("NODE_NAME").or_else(|| hostname().ok()).unwrap_or_else(|| "localhost".to_owned());
    let class = word("POLLUX_CLASS").unwrap_or_else(|| "opcua".to_owned());
    let certificate = certificate(key.as_bytes(), &node, &class).map_err(|error| failed(error.to_string()))?;
    let text = [pem("CERTIFICATE", &certificate), pem("PRIVATE KEY", key.as_bytes())];
    Ok(text.concat().into_bytes())
}

fn certificate(key: &[u8], node: &str, class: &str) -> std::result::Result<Vec<u8>, rcgen::Error> {
    let key = KeyPair::from_pkcs8_der_and_sign_algo(&PrivatePkcs8KeyDer::from(key), &PKCS_RSA_SHA256)?;
    let mut part = [0; 4];
    random::bytes(&mut part);
    let uri = format!("urn:{node}:pollux.rs:{class}:{:08x}", u32::from_ne_bytes(part));
    let mut params = CertificateParams::default();
    params.subject_alt_names = vec![SanType::URI(uri.try_into()?), SanType::DnsName(node.to_owned().try_into()?)];
    params.distinguished_name = DistinguishedName::new();
    params.distinguished_name.push(DnType::CommonName, format!("Pollux {class} on {node}"));
    params.distinguished_name.push(DnType::OrganizationName, "Pollux");
    params.is_ca = IsCa::ExplicitNoCa;
    params.use_authority_key_identifier_extension = true;
    params.key_usages = vec![
        KeyUsagePurpose::DigitalSignature,
        KeyUsagePurpose::ContentCommitment,
        KeyUsagePurpose::KeyEncipherment,
        KeyUsagePurpose::DataEncipherment,
        KeyUsagePurpose::KeyCertSign, // of itself
    ];
    params.extended_key_usages = vec![ExtendedKeyUsagePurpose::ClientAuth];
    // From yesterday on, for a server's clock may be behind.
    let from = jiff::Zoned::now().date().yesterday().unwrap_or(jiff::civil::Date::constant(2026, 1, 1));
    let date = |years: i16| {
        let (month, day) = (from.month().unsigned_abs(), from.day().unsigned_abs().min(28));
        date_time_ymd(i32::from(from.year() + years), month, day)
    };
    (params.not_before, params.not_after) = (date(0), date(YEARS));
    Ok(params.self_signed(&key)?.der().to_vec())
}

/// RFC 7468.
fn pem(label: &str, der: &[u8]) -> String {
    use base64::{Engine, engine::general_purpose::STANDARD};
    let text = STANDARD.encode(der);
    let mut out = format!("-----BEGIN {label}-----\n");
    for line in text.as_bytes().chunks(64) {
        out.extend(line.iter().map(|byte| char::from(*byte)));
        out.push('\n');
    }
    out + &format!("-----END {label}-----\n")
}
