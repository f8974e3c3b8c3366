//! Secrets on their way to drivers.
use super::*;

#[tokio::test(start_paused = true)]
async fn a_new_secret_reaches_every_link_and_the_same_again_none() {
    let script = script(&["a", "b"]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    assert_eq!(*script.connects.lock().unwrap(), (1, 0));
    let password = |text: &str| [("plant.s.password".to_owned(), text.as_bytes().to_vec())].into();
    for text in ["one", "one", "two"] {
        Secrets::renew(&plant.secrets, password(text));
        plant.pass(seconds(5)).await;
    }
    assert_eq!(*script.connects.lock().unwrap(), (3, 2), "dialled anew by each new one");
    plant.set(config([device("a"), on("other", device("b"))]));
    plant.until("b", reports("temperature", 20.0)).await;
    assert_eq!(*script.connects.lock().unwrap(), (4, 2), "a link that comes later has the newest");
    let status = plant.view("a").expect("published").status();
    assert_eq!(status_of(&status, pollux_crds::CONNECTED).0, "True");
    plant.end().await;
}

#[tokio::test(start_paused = true)]
async fn a_link_is_not_dialled_anew_for_a_secret_that_it_does_not_read() {
    let script = script(&["a"]);
    *script.secrets.lock().unwrap() = Some(vec!["plant.s".to_owned()]);
    let plant = Plant::new(&script, config([device("a")]));
    plant.until("a", reports("temperature", 20.0)).await;
    let dials = async |contents: &[(&str, &str)]| {
        let contents = contents.iter().map(|(key, text)| ((*key).to_owned(), text.as_bytes().to_vec())).collect();
        Secrets::renew(&plant.secrets, contents);
        plant.pass(seconds(5)).await;
        *script.connects.lock().unwrap()
    };
    assert_eq!(
        dials(&[("plant.s.x.password", "other"), ("plant.sx.password", "other")]).await,
        (2, 1),
        "s.x is s, key x.…"
    );
    assert_eq!(dials(&[("plant.s.x.password", "other"), ("plant.sx.password", "one")]).await, (2, 1));
    assert_eq!(dials(&[("plant.s.password", "one")]).await, (3, 3));
    assert_eq!(dials(&[("plant.s.password", "one"), ("hall.s.password", "two")]).await, (3, 3));
    assert_eq!(dials(&[]).await, (4, 5), "what was taken away is news too");
    plant.end().await;
}
