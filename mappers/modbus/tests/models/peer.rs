//! A device that says what the frames say, word for word where it is asked what they were asked, and refuses the rest
//! (exception 2). It shares no code with the driver.
use crate::files::Frames;
use std::{
    collections::{BTreeMap, BTreeSet},
    io::{Read, Write},
    net::{TcpListener, TcpStream},
    sync::{Arc, Mutex},
    thread,
};

#[derive(Clone)]
pub(crate) struct Peer {
    pub(crate) port: u16,
    answers: Arc<BTreeMap<Vec<u8>, Vec<u8>>>,
    /// By function and address.
    registers: Arc<BTreeMap<(u8, u16), [u8; 2]>>,
    asked: Arc<Mutex<BTreeSet<Vec<u8>>>>,
}

pub(crate) fn serve(frames: &Frames) -> Peer {
    let listener = TcpListener::bind("127.0.0.1:0").expect("a free port");
    let port = listener.local_addr().expect("bound").port();
    let answers = frames.all.iter().map(|frame| (frame.request.pdu.clone(), frame.answer.pdu.clone())).collect();
    let registers = frames.all.iter().flat_map(|frame| registers(&frame.request.pdu, &frame.answer.pdu)).collect();
    let peer = Peer { port, answers: Arc::new(answers), registers: Arc::new(registers), asked: Arc::default() };
    let serving = peer.clone();
    thread::spawn(move || {
        for stream in listener.incoming().flatten() {
            let serving = serving.clone();
            thread::spawn(move || serving.connection(stream));
        }
    });
    peer
}

fn registers(request: &[u8], answer: &[u8]) -> Vec<((u8, u16), [u8; 2])> {
    let [function, high, low, ..] = request else { panic!("{request:02X?}") };
    let start = u16::from_be_bytes([*high, *low]);
    let words = answer[2..].chunks_exact(2).map(|word| [word[0], word[1]]);
    (start..).zip(words).map(|(address, word)| ((*function, address), word)).collect()
}

impl Peer {
    /// Every request that came in.
    pub(crate) fn asked(&self) -> BTreeSet<Vec<u8>> {
        self.asked.lock().expect("not poisoned").clone()
    }

    fn connection(&self, mut stream: TcpStream) {
        let mut header = [0; 7];
        while stream.read_exact(&mut header).is_ok() {
            let mut pdu = vec![0; usize::from(u16::from_be_bytes([header[4], header[5]])) - 1];
            stream.read_exact(&mut pdu).expect("a PDU");
            self.asked.lock().expect("not poisoned").insert(pdu.clone());
            let answer = self.answer(&pdu);
            let length = u16::try_from(answer.len() + 1).expect("short").to_be_bytes();
            let frame = [&header[..4], &length, &header[6..], &answer].concat();
            if stream.write_all(&frame).is_err() {
                return;
            }
        }
    }

    fn answer(&self, pdu: &[u8]) -> Vec<u8> {
        if let Some(answer) = self.answers.get(pdu) {
            return answer.clone();
        }
        let [function, a, b, c, d] = pdu else { return vec![pdu[0] | 0x80, 1] };
        let (start, count) = (u16::from_be_bytes([*a, *b]), u16::from_be_bytes([*c, *d]));
        let words: Option<Vec<[u8; 2]>> =
            (start..).take(count.into()).map(|address| self.registers.get(&(*function, address)).copied()).collect();
        match words {
            Some(words) => {
                [&[*function, u8::try_from(words.len() * 2).expect("at most 250")], &*words.concat()].concat()
            }
            None => vec![function | 0x80, 2],
        }
    }
}
