//! A connection that a test can cut, or keep answers from.
use std::sync::{
    Arc, Mutex,
    atomic::{AtomicBool, Ordering::SeqCst},
};
use tokio::{
    io::{AsyncReadExt, AsyncWriteExt},
    net::{TcpListener, TcpStream},
    task::AbortHandle,
};

/// Forwards to one place.
pub(super) struct Proxy {
    pub(super) port: u16,
    swallowing: Arc<AtomicBool>,
    refusing: Arc<AtomicBool>,
    lines: Arc<Mutex<Vec<AbortHandle>>>,
    task: AbortHandle,
}
impl Drop for Proxy {
    fn drop(&mut self) {
        self.task.abort();
        self.cut();
    }
}
impl Proxy {
    pub(super) async fn to(host: &str, port: u16) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.unwrap();
        let here = listener.local_addr().unwrap().port();
        let (swallowing, refusing): (Arc<AtomicBool>, Arc<AtomicBool>) = Default::default();
        let lines: Arc<Mutex<Vec<AbortHandle>>> = Arc::default();
        let (place, mute, shut, all) = ((host.to_owned(), port), swallowing.clone(), refusing.clone(), lines.clone());
        let task = tokio::spawn(async move {
            loop {
                let Ok((client, _)) = listener.accept().await else { continue };
                if shut.load(SeqCst) {
                    continue;
                }
                let line = tokio::spawn(forward(client, place.clone(), mute.clone()));
                all.lock().unwrap().push(line.abort_handle());
            }
        });
        Self { port: here, swallowing, refusing, lines, task: task.abort_handle() }
    }
    /// Every connection, at once.
    pub(super) fn cut(&self) {
        self.lines.lock().unwrap().drain(..).for_each(|line| line.abort());
    }
    /// What the server says comes no further, or does again.
    pub(super) fn swallow(&self, swallowing: bool) {
        self.swallowing.store(swallowing, SeqCst);
    }
    /// New connections are hung up on, or not any more.
    pub(super) fn refuse(&self, refusing: bool) {
        self.refusing.store(refusing, SeqCst);
    }
}

async fn forward(mut client: TcpStream, place: (String, u16), mute: Arc<AtomicBool>) {
    let Ok(mut server) = TcpStream::connect((place.0.as_str(), place.1)).await else { return };
    let (mut from_client, mut to_client) = client.split();
    let (mut from_server, mut to_server) = server.split();
    let down = async {
        let mut buffer = vec![0; 65_536];
        while let Ok(count @ 1..) = from_server.read(&mut buffer).await {
            if !mute.load(SeqCst) && to_client.write_all(&buffer[..count]).await.is_err() {
                break;
            }
        }
    };
    tokio::select! {
        _ = tokio::io::copy(&mut from_client, &mut to_server) => {}
        () = down => {}
    }
}
