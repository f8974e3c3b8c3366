//! A peer of the example driver, over a real socket.
#[path = "../../examples/lines.rs"]
#[expect(dead_code, reason = "its main is not run here")]
mod lines;

use pollux_mapper::{
    PointSpec, Value,
    testing::{Harness, Peer},
};
use std::{
    collections::BTreeMap,
    sync::{Arc, Mutex},
};
use tokio::{
    io::{AsyncBufReadExt, AsyncWriteExt, BufReader},
    net::{TcpListener, TcpStream},
    sync::watch,
};

pub(crate) struct LinesHarness {
    address: String,
    mood: watch::Sender<Peer>,
    values: Values,
}

type Values = Arc<Mutex<BTreeMap<String, f64>>>;

impl LinesHarness {
    pub async fn new() -> Self {
        let listener = TcpListener::bind("127.0.0.1:0").await.unwrap();
        let address = listener.local_addr().unwrap().to_string();
        let (mood, moods) = watch::channel(Peer::Serving);
        let values = Values::default();
        let served = values.clone();
        tokio::spawn(async move {
            while let Ok((stream, _)) = listener.accept().await {
                tokio::spawn(serve(stream, served.clone(), moods.clone()));
            }
        });
        Self { address, mood, values }
    }
}

/// Until it is cut.
async fn serve(stream: TcpStream, values: Values, mut moods: watch::Receiver<Peer>) {
    let mut cut = moods.clone();
    tokio::select! {
        biased;
        cut = cut.wait_for(|mood| *mood == Peer::Cut) => drop(cut),
        () = answer(stream, values, &mut moods) => {}
    }
}
async fn answer(mut stream: TcpStream, values: Values, moods: &mut watch::Receiver<Peer>) {
    let (read, mut write) = stream.split();
    let mut lines = BufReader::new(read).lines();
    while let Ok(Some(line)) = lines.next_line().await {
        let mood = *moods.borrow_and_update();
        let answer = reply(&line, mood, &mut values.lock().unwrap());
        if mood != Peer::Silent && write.write_all(format!("{answer}\n").as_bytes()).await.is_err() {
            return;
        }
    }
}

fn reply(line: &str, mood: Peer, values: &mut BTreeMap<String, f64>) -> String {
    let refuses = |name: &str| mood == Peer::Refusing && name.ends_with('a');
    match line.split(' ').collect::<Vec<_>>()[..] {
        ["get", ref names @ ..] => {
            let word = |name: &&str| match values.get(*name) {
                _ if refuses(name) => "refused".into(),
                value => value.unwrap_or(&0.5).to_string(),
            };
            names.iter().map(word).collect::<Vec<_>>().join(" ")
        }
        ["set", name, number] if !refuses(name) => {
            values.insert(name.into(), number.parse().unwrap());
            "ok".into()
        }
        _ => "error".into(),
    }
}

impl Harness for LinesHarness {
    type Protocol = lines::Lines;
    fn protocol(&self) -> lines::Lines {
        lines::Lines
    }
    fn device(&self, number: usize) -> lines::Device {
        lines::Device { address: self.address.clone(), prefix: format!("d{number}.") }
    }
    fn points(&self) -> Vec<PointSpec<lines::Address>> {
        let named = |p: PointSpec<String>| PointSpec {
            name: p.name,
            address: lines::Address { name: p.address },
            interval: p.interval,
            readable: p.readable,
            writable: p.writable,
            event: p.event,
            read_group: p.read_group,
        };
        crate::points().into_iter().map(named).collect()
    }
    fn value(&self, number: u8) -> Value {
        Value::Float(f64::from(number) + 0.25)
    }
    async fn set(&self, peer: Peer) {
        self.mood.send_replace(peer);
        while peer == Peer::Cut && Arc::strong_count(&self.values) > 2 {
            tokio::task::yield_now().await; // until the last connection let go of them
        }
    }
}
