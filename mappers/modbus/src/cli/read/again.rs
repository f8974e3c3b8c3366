//! `read --interval`: the same values again and again, a line each with its time, for whoever turns a screw and looks what moves.
use super::{Client, Failure, Job, print, printable};
use pollux_mapper::{Exit, Out};
use std::time::Duration;
use tokio::time::{MissedTickBehavior, interval};

/// How often, and how many times; None: until it is stopped.
#[derive(Debug, Clone, Copy)]
pub(super) struct Again {
    pub(super) every: Duration,
    pub(super) times: Option<u32>,
}

impl Again {
    pub(super) fn new(every: Duration, times: Option<u32>) -> Result<Self, String> {
        const BOUNDS: (Duration, Duration) = (Duration::from_millis(10), Duration::from_hours(24));
        if !(BOUNDS.0..=BOUNDS.1).contains(&every) {
            return Err("--interval must be from 10ms to 24h".into());
        }
        Ok(Self { every, times })
    }
}

/// What goes wrong is said in its line, and the next time comes all the same; a connection that was lost is made anew. At the end it
/// is a fault where any time was.
pub(super) async fn run(job: &Job, client: Client, again: Again, out: &mut Out) -> Exit {
    let mut ticks = interval(again.every);
    ticks.set_missed_tick_behavior(MissedTickBehavior::Skip);
    let (mut client, mut exit, mut done) = (Some(client), Exit::Ok, 0);
    while again.times.is_none_or(|times| done < times) {
        ticks.tick().await;
        done = u32::saturating_add(done, 1);
        let (lines, fine) = once(job, &mut client).await;
        if fine != Exit::Ok {
            exit = fine;
        }
        let now = jiff::Timestamp::now();
        let text = lines.iter().fold(String::new(), |text, line| text + &format!("{now:.3}  {line}\n"));
        if print(out, &text) != Exit::Ok {
            return Exit::Fault; // who reads has left
        }
    }
    exit
}

async fn once(job: &Job, client: &mut Option<Client>) -> (Vec<String>, Exit) {
    let bad = |text: String| (vec![format!("Bad: {}", printable(&text))], Exit::Fault);
    let open = match client.take() {
        Some(open) => open,
        None => match Client::open(&job.target.device, job.timeout).await {
            Ok(open) => open,
            Err(text) => return bad(text),
        },
    };
    match job.rows(&open).await {
        Ok((rows, exit)) => {
            *client = Some(open);
            (rows.into_iter().map(|row| row.join("  ")).collect(), exit)
        }
        Err(Failure::Refused(_, reply)) => {
            *client = Some(open);
            bad(format!("unit {}: {reply}", job.unit.id))
        }
        Err(Failure::Lost(text)) => bad(text),
    }
}
