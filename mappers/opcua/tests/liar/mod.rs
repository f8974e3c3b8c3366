//! An OPC UA server in this process whose every byte a test decides: honest unless its script says otherwise. It is for what asyncua and
//! open62541 cannot show; that ours and theirs understand each other they prove, for the codec here is the same as the driver's.
//!
//! ```ignore
//! let liar = Liar::honest().await;                                     // policy None; nodes of `World::plant`, session asked for
//! let liar = Liar::start(|heard| match &heard.request {                // called for each request, in the order in which they came
//!     RequestMessage::Read(_) => vec![Say::Bent(Box::new(|answer| …))],  // the honest answer, changed
//!     _ => vec![Say::Good],                                            // an empty list: no answer, ever
//! }).await;
//! let liar = Liar::with(World { sessions: false, ..World::secured() }, script).await; // all policies; a Read without a session
//! liar.world().set("Speed", 2.5);                                      // subscribers get it at their next publishing interval
//! liar.world().remove("Speed");                                        // BadNodeIdUnknown from now on; `add` brings it back
//! liar.world().forget_sessions();                                      // as after a restart; also forget_subscriptions, forget_messages
//! liar.world().limits.insert("Read", (7, StatusCode::BadTooManyOperations));
//! liar.cut();                                                          // every connection; `refuse(true)` takes no new one
//! liar.heard_of("Write");                                              // what came, oldest first; `wait_for` awaits it
//! liar.publish(|heard| vec![…]).await;                                 // answers the oldest waiting Publish with anything
//! ```
#![allow(dead_code, unused_imports, reason = "each test takes what it needs")]
#![allow(clippy::panic, reason = "tests")]
mod answers;
mod channel;
mod line;
mod sessions;
mod subscriptions;
mod views;
mod world;

pub(crate) use line::Heard;
pub(crate) use sessions::{certificate, identity};
pub(crate) use world::{Node, World};

use line::Line;
use opcua::{core::ResponseMessage, types::StatusCode};
use std::{
    net::SocketAddr,
    sync::{
        Arc, Mutex, MutexGuard,
        atomic::{AtomicBool, AtomicU32, AtomicUsize, Ordering::SeqCst},
    },
    time::Duration,
};
use tokio::{net::TcpListener, sync::Notify, task::AbortHandle, time::timeout};

/// Long: a machine with much to do.
pub(crate) const PATIENCE: Duration = Duration::from_secs(30);
/// How often subscriptions are looked at.
const TICK: Duration = Duration::from_millis(5);

/// What is said to a request. Several are said one after the other.
pub(crate) enum Say {
    /// The honest answer; to Publish, when there is something.
    Good,
    /// Another one, in a proper frame.
    Answer(ResponseMessage),
    /// A ServiceFault.
    Fault(StatusCode),
    /// The honest answer, changed. To Publish: an empty keep-alive, changed.
    Bent(Box<dyn FnOnce(&mut ResponseMessage) + Send>),
    /// The bytes of the honest answer, type id in front, changed.
    Bytes(Box<dyn FnOnce(Vec<u8>) -> Vec<u8> + Send>),
    /// These bytes, as a body in proper frames.
    Body(Vec<u8>),
    /// The honest answer in frames with bodies of so many bytes.
    Pieces(usize),
    /// Bodies of single frames, properly secured, and how the last ends.
    Chunks(Vec<Vec<u8>>, End),
    /// Bytes as they are, no frame around them.
    Frame(Vec<u8>),
    /// A whole OPN answer without security, whatever was asked for.
    Unsigned,
    /// The next frame has this number.
    Sequence(u32),
    /// The next frame says it is of this channel.
    Channel(u32),
    /// The next frame has one bit wrong at this place, counted after it was secured.
    Flip(usize),
    /// What is said next is of this request.
    Of(u32),
    /// A pause; other requests are answered meanwhile.
    Wait(Duration),
    /// Hangs up.
    Close,
}

/// How the last of several frames ends.
#[derive(Debug, Clone, Copy)]
pub(crate) enum End {
    /// Whole.
    Final,
    /// Given up by the server, with this code.
    Abort(StatusCode),
    /// It does not.
    Never,
}

type Script = Box<dyn FnMut(&Heard) -> Vec<Say> + Send>;

/// Shared by all connections.
pub(crate) struct Shared {
    pub(crate) address: SocketAddr,
    pub(crate) world: Mutex<World>,
    script: Mutex<Script>,
    heard: Mutex<Vec<Heard>>,
    came: Notify,
    lines: Mutex<Vec<Arc<Line>>>,
    accepted: AtomicUsize,
    refusing: AtomicBool,
    swallowing: AtomicBool,
    /// Channels and tokens are numbered over all connections.
    pub(crate) numbers: AtomicU32,
}

/// The server. Dropped, it is gone.
pub(crate) struct Liar {
    pub(crate) address: SocketAddr,
    shared: Arc<Shared>,
    tasks: [AbortHandle; 2],
}

impl Drop for Liar {
    fn drop(&mut self) {
        self.tasks.iter().for_each(AbortHandle::abort);
        self.cut();
    }
}

impl Liar {
    /// Never lies.
    pub(crate) async fn honest() -> Self {
        Self::start(|_| vec![Say::Good]).await
    }
    /// Policy None.
    pub(crate) async fn start(script: impl FnMut(&Heard) -> Vec<Say> + Send + 'static) -> Self {
        Self::with(World::plant(), script).await
    }
    /// On a port of its own.
    pub(crate) async fn with(world: World, script: impl FnMut(&Heard) -> Vec<Say> + Send + 'static) -> Self {
        let listener = TcpListener::bind(("127.0.0.1", 0)).await.expect("a port");
        let address = listener.local_addr().expect("bound");
        let shared = Arc::new(Shared {
            address,
            world: Mutex::new(world),
            script: Mutex::new(Box::new(script)),
            heard: Mutex::default(),
            came: Notify::new(),
            lines: Mutex::default(),
            accepted: AtomicUsize::new(0),
            refusing: AtomicBool::new(false),
            swallowing: AtomicBool::new(false),
            numbers: AtomicU32::new(1),
        });
        let accepting = tokio::spawn(accept(listener, shared.clone())).abort_handle();
        let ticking = tokio::spawn(tick(shared.clone())).abort_handle();
        Self { address, shared, tasks: [accepting, ticking] }
    }
    /// Where it is.
    pub(crate) fn url(&self) -> String {
        format!("opc.tcp://{}", self.address)
    }
    /// Its nodes, sessions, subscriptions and settings.
    pub(crate) fn world(&self) -> MutexGuard<'_, World> {
        self.shared.world.lock().expect("no panic")
    }
    /// Another script from now on.
    pub(crate) fn script(&self, script: impl FnMut(&Heard) -> Vec<Say> + Send + 'static) {
        *self.shared.script.lock().expect("no panic") = Box::new(script);
    }
    /// All that came, oldest first.
    pub(crate) fn heard(&self) -> Vec<Heard> {
        self.shared.heard.lock().expect("no panic").clone()
    }
    /// The same of one service: `Read`, `CreateSession`.
    pub(crate) fn heard_of(&self, service: &str) -> Vec<Heard> {
        self.heard().into_iter().filter(|heard| heard.request.type_name() == service).collect()
    }
    /// Forgets what came.
    pub(crate) fn clear(&self) {
        self.shared.heard.lock().expect("no panic").clear();
    }
    /// The first that is so, of all that came and will come.
    pub(crate) async fn wait_for(&self, what: &str, is: impl Fn(&Heard) -> bool) -> Heard {
        let wait = async {
            loop {
                let came = self.shared.came.notified();
                if let Some(found) = self.heard().into_iter().find(&is) {
                    return found;
                }
                came.await;
            }
        };
        timeout(PATIENCE, wait).await.unwrap_or_else(|_| panic!("never heard: {what}"))
    }
    /// Answers the oldest Publish that waits, once there is one.
    pub(crate) async fn publish(&self, says: impl FnOnce(&Heard) -> Vec<Say>) {
        let wait = async {
            loop {
                let waiting = self.world().next_publish();
                match waiting {
                    Some((heard, line)) => return (heard, line),
                    None => tokio::time::sleep(TICK).await,
                }
            }
        };
        let (heard, line) = timeout(PATIENCE, wait).await.expect("a Publish to answer");
        line.say(&self.shared, &heard, says(&heard)).await;
    }
    /// Bytes to each connection, out of turn.
    pub(crate) fn inject(&self, bytes: &[u8]) {
        self.lines().iter().for_each(|line| line.raw(bytes.to_vec()));
    }
    /// Cuts every connection.
    pub(crate) fn cut(&self) {
        self.lines().drain(..).for_each(|line| line.close());
    }
    /// New connections are closed at once, or not any more.
    pub(crate) fn refuse(&self, refusing: bool) {
        self.shared.refusing.store(refusing, SeqCst);
    }
    /// Messages of subscriptions are sent into nothing, as into a connection that broke, or not any more.
    pub(crate) fn swallow(&self, swallowing: bool) {
        self.shared.swallowing.store(swallowing, SeqCst);
    }
    /// How many connections were ever made to it.
    pub(crate) fn accepted(&self) -> usize {
        self.shared.accepted.load(SeqCst)
    }
    /// How many are open.
    pub(crate) fn open(&self) -> usize {
        self.lines().iter().filter(|line| line.is_open()).count()
    }
    fn lines(&self) -> MutexGuard<'_, Vec<Arc<Line>>> {
        self.shared.lines.lock().expect("no panic")
    }
}

impl Shared {
    /// What the script says to it.
    fn asked(&self, heard: &Heard) -> Vec<Say> {
        let says = (self.script.lock().expect("no panic"))(heard);
        self.heard.lock().expect("no panic").push(heard.clone());
        self.came.notify_waiters();
        says
    }
}

async fn accept(listener: TcpListener, shared: Arc<Shared>) {
    loop {
        let Ok((stream, _)) = listener.accept().await else { continue };
        let number = shared.accepted.fetch_add(1, SeqCst);
        if shared.refusing.load(SeqCst) {
            continue;
        }
        let line = Line::start(stream, number, &shared);
        let mut lines = shared.lines.lock().expect("no panic");
        lines.retain(|line| line.is_open());
        lines.push(line);
    }
}

async fn tick(shared: Arc<Shared>) {
    let mut ticks = tokio::time::interval(TICK);
    loop {
        ticks.tick().await;
        let said = shared.world.lock().expect("no panic").due();
        for (line, id, answer) in said.into_iter().filter(|_| !shared.swallowing.load(SeqCst)) {
            line.answer(id, &answer);
        }
    }
}
