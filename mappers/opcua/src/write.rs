//! Writing: many values in one request, each of its node's own type, the value alone (Part 4, 5.11.4): many servers refuse a status or
//! a time in a write.
use crate::{
    error::{Code, Error, Result},
    feed::is_lost,
    limits::{Operation, in_parts, may_be_done},
    link::Link,
    places::Places,
    read::fault,
    unit::Unit,
    values::{coerce, value},
};
use opcua::types::{
    AttributeId, DataValue, ReadRequest, ReadValueId, StatusCode, TimestampsToReturn, WriteRequest, WriteValue,
};
use pollux_mapper::{DriverError, ErrorKind, Instant, PointFault, Value, Written};
use std::time::Duration;
use tokio::time::{sleep_until, timeout_at};

/// How often it is looked whether a write is complete that is not complete at once.
const LOOK: Duration = Duration::from_millis(100);
/// What is left of the time of a write for the last of these looks.
const REST: Duration = Duration::from_millis(50);

/// One value: its position in the group, and what is sent.
type Ready = (usize, WriteValue);

impl Link {
    /// A group of values.
    pub(crate) async fn put(
        &self,
        unit: &Unit,
        values: &[(usize, Value)],
        until: Instant,
        out: &mut Written,
    ) -> Result<()> {
        (0..values.len()).for_each(|at| out.not_sent(at));
        let places = self.places(unit, until).await?;
        let mut ready: Vec<Ready> = vec![];
        for (at, (point, value)) in values.iter().enumerate() {
            match encoded(unit, &places, *point, value) {
                Ok(write) => ready.push((at, write)),
                Err(fault) => out.refused(at, fault),
            }
        }
        let (mut open, mut later) = (ready.as_slice(), vec![]);
        while !open.is_empty() {
            let cap = self.session().limits().cap(Operation::Write).min(open.len());
            let (part, rest) = open.split_at(cap);
            match self.send(unit, &places, values, part, until, out).await? {
                Some(part) => {
                    later.extend(part);
                    open = rest;
                }
                None => unit.learn(self.session().limits()),
            }
        }
        if !later.is_empty() {
            let done = self.complete(unit, &places, values, &later, until).await;
            for (at, _) in &later {
                match &done {
                    Ok(()) => out.done(*at),
                    Err(error) => out.unknown(*at, fault(error)),
                }
            }
        }
        Ok(())
    }
    /// One request, once. Those that are accepted and not complete; None: it was too large, and nothing of it was done.
    async fn send(
        &self,
        unit: &Unit,
        places: &Places,
        group: &[(usize, Value)],
        part: &[Ready],
        until: Instant,
        out: &mut Written,
    ) -> Result<Option<Vec<Ready>>> {
        let wire = self.session().wire_of(places.epoch, until).await?;
        let values: Vec<WriteValue> = part.iter().map(|(_, write)| write.clone()).collect();
        let request = WriteRequest { request_header: wire.header(until), nodes_to_write: Some(values) };
        for (at, _) in part {
            out.sending(*at);
        }
        let error = match wire.call(request, until).await {
            Ok(answer) => {
                let results = answer.results.unwrap_or_default();
                self.lose(unit, &lost(group, part, &results));
                return told(part, &results, out).map(Some);
            }
            Err(error) => error,
        };
        let unsent = matches!(error, Error::Encode { .. });
        let too_large = if unsent { Some(Code::from(StatusCode::BadRequestTooLarge)) } else { error.code() };
        let refused = unsent
            || matches!(error, Error::Refused { .. }) && error.kind() != ErrorKind::Timeout && !may_be_done(&error);
        if !refused {
            return Err(error); // it may have been done
        }
        if too_large.is_some_and(|code| self.session().limits().refused(Operation::Write, part.len(), code)) {
            for (at, _) in part {
                out.not_sent(*at);
            }
            return Ok(None);
        }
        tracing::debug!(unit = unit.id(), %error, "a write is refused as a whole");
        for (at, _) in part {
            out.refused(*at, fault(&error));
        }
        Ok(Some(vec![]))
    }
    /// Waits until what was accepted can be read (GoodCompletesAsynchronously), or the time is over. An error: the session in which it was
    /// accepted is not there any more.
    async fn complete(
        &self,
        unit: &Unit,
        places: &Places,
        values: &[(usize, Value)],
        later: &[Ready],
        until: Instant,
    ) -> Result<()> {
        let end = until.checked_sub(REST).unwrap_or(until);
        let mut next = Instant::now() + LOOK;
        while next < end {
            sleep_until(next).await;
            match timeout_at(end, self.is_complete(unit, places, values, later, end)).await {
                Ok(Ok(true)) => return Ok(()),
                Ok(Ok(false) | Err(_)) => next = Instant::now() + LOOK,
                Err(_) => break,
            }
        }
        self.session().wire_of(places.epoch, Instant::now()).await.map(drop)
    }
    async fn is_complete(
        &self,
        unit: &Unit,
        places: &Places,
        values: &[(usize, Value)],
        later: &[Ready],
        until: Instant,
    ) -> Result<bool> {
        let node = |(_, write): &Ready| ReadValueId {
            node_id: write.node_id.clone(),
            attribute_id: write.attribute_id,
            index_range: write.index_range.clone(),
            ..ReadValueId::default()
        };
        let nodes: Vec<ReadValueId> = later.iter().map(node).collect();
        let send = |part: Vec<ReadValueId>| async move {
            let wire = self.session().wire_of(places.epoch, until).await?;
            let request = ReadRequest {
                request_header: wire.header(until),
                max_age: 0.0,
                timestamps_to_return: TimestampsToReturn::Neither,
                nodes_to_read: Some(part),
            };
            Ok(wire.call(request, until).await?.results.unwrap_or_default())
        };
        let read = in_parts(self.session().limits(), Operation::Read, &nodes, send).await?;
        let holds = |((at, _), read): (&Ready, &DataValue)| {
            let (point, wanted) = values.get(*at)?;
            let kind = places.points.get(*point)?.kind.as_ref().ok()?;
            let now = value(read.value.as_ref()?, kind).ok()?;
            Some(encode_again(unit, *point, wanted).unwrap_or_else(|_| wanted.clone()) == now)
        };
        Ok(later.iter().zip(&read).all(|one| holds(one).unwrap_or(false)))
    }
}

/// Points whose nodes are not there.
fn lost(group: &[(usize, Value)], part: &[Ready], results: &[StatusCode]) -> Vec<usize> {
    let lost = part.iter().zip(results).filter(|(_, result)| is_lost(Code::from(**result)));
    lost.filter_map(|((at, _), _)| group.get(*at).map(|(point, _)| *point)).collect()
}

/// What became of each value, by its own code.
fn told(part: &[Ready], results: &[StatusCode], out: &mut Written) -> Result<Vec<Ready>> {
    if results.len() != part.len() {
        return Err(Error::Miscounted { service: "Write", results: results.len(), asked: part.len() });
    }
    let mut later = vec![];
    for (ready, result) in part.iter().zip(results) {
        let (at, code) = (ready.0, Code::from(*result));
        if code == Code::from(StatusCode::GoodCompletesAsynchronously) {
            later.push(ready.clone());
        } else if code.is_uncertain() || code.is_bad() && code.kind() == ErrorKind::Timeout {
            out.unknown(at, code.fault());
        } else if code.is_bad() {
            out.refused(at, code.fault());
        } else {
            out.done(at);
        }
    }
    Ok(later)
}

fn encoded(unit: &Unit, places: &Places, point: usize, value: &Value) -> std::result::Result<WriteValue, PointFault> {
    let missing = || PointFault::new(ErrorKind::Config, "there is no such point");
    let place = places.points.get(point).ok_or_else(missing)?;
    let item = unit.items().get(point).ok_or_else(missing)?;
    let (node, kind) = place.known().map_err(Clone::clone)?;
    Ok(WriteValue {
        node_id: place.alias.as_ref().unwrap_or(node).clone(),
        attribute_id: AttributeId::Value as u32,
        index_range: item.range.clone(),
        value: DataValue { value: Some(coerce(value, kind)?), ..DataValue::null() },
    })
}

/// What the node would report if this were written to it. As long as its type is not known: the value itself.
pub(crate) fn encode_again(unit: &Unit, point: usize, given: &Value) -> std::result::Result<Value, PointFault> {
    let places = unit.places();
    let kind = places.as_ref().and_then(|places| places.points.get(point)?.kind.as_ref().ok());
    match kind {
        Some(kind) => value(&coerce(given, kind)?, kind),
        None => Ok(given.clone()),
    }
}
