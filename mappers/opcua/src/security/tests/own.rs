//! Our own certificate.
use super::{
    super::{certificate::Certificate, own},
    made::{alone, key, other_rsa, rsa, server},
    refusal, secrets,
};
use crate::error::Result;
use base64::{Engine, engine::general_purpose::STANDARD};
use pollux_crds::OpcUaSecurity;
use pollux_mapper::Cx;
use rcgen::{CertificateParams, KeyPair, date_time_ymd};
use serde_json::json;
use std::{collections::BTreeSet, os::unix::fs::PermissionsExt};

fn pem(label: &str, der: &[u8]) -> String {
    format!("-----BEGIN {label}-----\n{}\n-----END {label}-----\n", STANDARD.encode(der))
}
fn here(folder: &tempfile::TempDir) -> Cx {
    Cx { state_dir: Some(folder.path().to_owned()), ..Cx::default() }
}

#[tokio::test(flavor = "multi_thread")]
async fn it_is_made_once_however_many_ask() {
    let folder = tempfile::tempdir().unwrap();
    let security = OpcUaSecurity::default();
    let all = (0..4).map(|_| {
        let (cx, security) = (here(&folder), security.clone());
        tokio::spawn(async move { own(&cx, &security).await.unwrap().unwrap().cert.thumbprint().as_hex_string() })
    });
    let mut prints = BTreeSet::new();
    for one in all.collect::<Vec<_>>() {
        prints.insert(one.await.unwrap());
    }
    assert_eq!(prints.len(), 1);
    let files: Vec<_> = std::fs::read_dir(folder.path()).unwrap().map(|entry| entry.unwrap()).collect();
    assert_eq!(files.len(), 1, "{files:?}");
    assert_eq!(files[0].metadata().unwrap().permissions().mode() & 0o777, 0o600);

    let own = own(&here(&folder), &security).await.unwrap().unwrap();
    let certificate = Certificate::of(own.blob.as_ref()).unwrap();
    assert_eq!(certificate.uris(), [own.uri.as_str()]);
    assert_eq!(certificate.rsa_bits(), Some(2048));
    assert!(certificate.not_valid(jiff::Timestamp::now()).is_none());
    assert!(certificate.is_signed_by(&certificate));
    assert!(!format!("{own:?}").contains("PRIVATE"));
}

#[tokio::test]
async fn a_file_that_cannot_be_read_is_told_with_what_to_do_and_left_alone() {
    let folder = tempfile::tempdir().unwrap();
    let file = folder.path().join("opcua-application.pem");
    std::fs::write(&file, "half a file").unwrap();
    let told = refusal(own(&here(&folder), &OpcUaSecurity::default()).await);
    assert!(told.contains("remove") && told.contains("opcua-application.pem"), "{told}");
    assert_eq!(std::fs::read(&file).unwrap(), b"half a file");
}

async fn from_secret(certificate: &str, key: &str) -> Result<String> {
    let mut all = vec![("d.app.tls.crt", certificate.as_bytes())];
    if !key.is_empty() {
        all.push(("d.app.tls.key", key.as_bytes()));
    }
    let security = serde_json::from_value(json!({"certificate": {"secret": "d.app"}})).unwrap();
    own(&secrets(&all), &security).await.map(|own| own.unwrap().uri.clone())
}

#[tokio::test]
async fn from_a_secret_its_flaws_are_told_by_secret_and_key() {
    let with = |change: fn(&mut CertificateParams)| {
        let mut params = server();
        change(&mut params);
        pem("CERTIFICATE", &alone(&params))
    };
    let (good, its_key) = (with(|_| ()), pem("PRIVATE KEY", rsa()));
    let chain = good.clone() + &pem("CERTIFICATE", server().self_signed(&key(other_rsa())).unwrap().der());
    assert_eq!(from_secret(&good, &its_key).await.as_deref(), Ok("urn:plc-1:server"));
    assert_eq!(from_secret(&chain, &its_key).await.as_deref(), Ok("urn:plc-1:server"));

    let curve = KeyPair::generate().unwrap();
    let of_curve = pem("CERTIFICATE", server().self_signed(&curve).unwrap().der());
    let no_uri = with(|params| drop(params.subject_alt_names.remove(0)));
    let expired = with(|params| params.not_after = date_time_ymd(2024, 1, 1));
    let cases = [
        (&good, pem("PRIVATE KEY", other_rsa()), "Secret d/app: tls.key is not the key of the certificate in tls.crt"),
        (&good, String::new(), "Secret d/app: tls.key is not there"),
        (&good, "secret stuff".to_owned(), "Secret d/app: tls.key holds no RSA key"),
        (&good, curve.serialize_pem(), "Secret d/app: tls.key holds no RSA key"),
        (&of_curve, its_key.clone(), "Secret d/app: tls.crt is not of an RSA key"),
        (&no_uri, its_key.clone(), "Secret d/app: tls.crt has no URI in its subjectAltName"),
        (&expired, its_key.clone(), "Secret d/app: tls.crt was valid until 2024-01-01"),
        (&"x".to_owned(), its_key.clone(), "Secret d/app: tls.crt holds no certificate in PEM"),
    ];
    for (certificate, key, words) in cases {
        let told = refusal(from_secret(certificate, &key).await);
        assert!(told.starts_with(words), "{words}: {told}");
        assert!(!told.contains("secret stuff"));
    }
}

#[tokio::test]
async fn without_security_there_is_none() {
    let security = serde_json::from_value(json!({"policy": "None", "insecure": true})).unwrap();
    assert!(own(&Cx::default(), &security).await.unwrap().is_none());
}
