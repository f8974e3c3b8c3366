//! Reading: requests encoded once, as large as the server takes; a value that cannot be decoded is Bad by itself.
use crate::{
    error::{Code, Error, Result},
    feed::is_lost,
    limits::{Learned, Operation},
    link::Link,
    places::{Place, Places},
    plan::{Due, plan},
    unit::Unit,
    values::{unix_ms, value},
    wire::{ReadPlan, Sample, Wire},
};
use opcua::types::{AttributeId, QualifiedName, ReadValueId};
use pollux_mapper::{DriverError, ErrorKind, Exchange, Instant, PointFault, Quality, Samples, Slot};
use std::{
    collections::BTreeSet,
    sync::{Arc, Mutex, PoisonError},
};

/// Answers that could not be decoded, in one exchange, until the rest is not asked for.
const SUSPECTS: usize = 16;

/// What an exchange reads, in bytes, from its first sending on.
#[derive(Debug, Default)]
pub struct Request {
    made: Mutex<Option<Arc<Made>>>,
}

/// Of these places, with these caps.
#[derive(Debug)]
struct Made {
    places: Arc<Places>,
    caps: Caps,
    parts: Vec<Arc<Part>>,
    faults: Vec<(Slot, PointFault)>,
}

/// One request.
#[derive(Debug)]
struct Part {
    plan: ReadPlan,
    points: Vec<usize>,
    /// Some of them are of a read group: what came of it is handed on when it is whole.
    grouped: bool,
}

/// Of one request.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
struct Caps {
    /// Nodes of it.
    nodes: usize,
    /// Nodes of one read group.
    group: usize,
}

impl Caps {
    fn of(limits: &Learned) -> Self {
        Self { nodes: limits.cap(Operation::Read), group: limits.takes(Operation::Read) }
    }
}

/// Requests, and points for which there can be none.
type Parts = (Vec<Arc<Part>>, Vec<(Slot, PointFault)>);

impl Part {
    fn new(places: &Places, unit: &Unit, points: Vec<usize>, wire: &Wire) -> Result<Arc<Self>> {
        let nodes = points.iter().filter_map(|at| {
            let (place, item) = (places.points.get(*at)?, unit.items().get(*at)?);
            Some(ReadValueId {
                node_id: place.asked().ok()?.clone(),
                attribute_id: AttributeId::Value as u32,
                index_range: item.range.clone(),
                data_encoding: QualifiedName::null(),
            })
        });
        let nodes: Vec<ReadValueId> = nodes.collect();
        let grouped = points.iter().any(|at| unit.group(*at).is_some());
        // What a write is verified by must come from the device: maxAge is 0.
        Ok(Arc::new(Self { plan: ReadPlan::new(&nodes, 0.0, wire)?, points, grouped }))
    }
    /// One for each of these; a read group of more than the server takes is refused.
    fn all(places: &Places, unit: &Unit, plan: Vec<Vec<usize>>, caps: Caps, wire: &Wire) -> Result<Parts> {
        let (mut parts, mut refused) = (vec![], vec![]);
        for points in plan {
            if points.len() <= caps.group {
                parts.push(Self::new(places, unit, points, wire)?);
                continue;
            }
            let text = format!(
                "a read group of {} nodes, and the server takes at most {} in one Read",
                points.len(),
                caps.group
            );
            refused.extend(faults(unit, &points, &PointFault::new(ErrorKind::Config, text)));
        }
        Ok((parts, refused))
    }
    /// It was refused for how much it is.
    fn halved(&self, unit: &Unit, places: &Places, caps: Caps, error: &Error, wire: &Wire) -> Result<Parts> {
        let is_one = self.points.first().is_some_and(|at| self.block(unit, *at).len() == self.points.len());
        if is_one && self.points.len() <= caps.group {
            // A read group by itself, and not for its number: that says nothing of others.
            return Ok((vec![], faults(unit, &self.points, &fault(error))));
        }
        let planned = plan(&due(unit, self.points.iter().copied()), caps.nodes);
        Self::all(places, unit, planned, caps, wire)
    }
    /// What of it cannot be told one from the other: this point, and all of its read group.
    fn block(&self, unit: &Unit, at: usize) -> Vec<usize> {
        let group = unit.group(at);
        let of_it = |point: &usize| *point == at || group.is_some() && unit.group(*point) == group;
        self.points.iter().copied().filter(of_it).collect()
    }
    /// Where so many of its values came: the points without one, and those of their read groups.
    fn missing(&self, unit: &Unit, given: usize) -> BTreeSet<usize> {
        let rest = self.points.get(given..).unwrap_or_default();
        if !self.grouped {
            return rest.iter().copied().collect();
        }
        let groups: BTreeSet<&str> = rest.iter().filter_map(|at| unit.group(*at)).collect();
        let torn = |at: &usize| rest.contains(at) || unit.group(*at).is_some_and(|group| groups.contains(group));
        self.points.iter().copied().filter(torn).collect()
    }
}

/// The same of each of these points.
fn faults<'a>(unit: &Unit, points: impl IntoIterator<Item = &'a usize>, why: &PointFault) -> Vec<(Slot, PointFault)> {
    points.into_iter().filter_map(|at| Some((unit.items().get(*at)?.slot, why.clone()))).collect()
}

/// Points and their read groups.
fn due(unit: &Unit, points: impl IntoIterator<Item = usize>) -> Vec<Due<'_>> {
    points.into_iter().map(|point| Due { point, group: unit.group(point) }).collect()
}

impl Request {
    fn made(&self, unit: &Unit, places: &Arc<Places>, points: &[usize], caps: Caps, wire: &Wire) -> Result<Arc<Made>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |made: &&Arc<Made>| Arc::ptr_eq(&made.places, places) && made.caps == caps;
        if let Some(made) = made.as_ref().filter(fits) {
            return Ok(made.clone());
        }
        let new = Arc::new(Made::new(unit, places, points, caps, wire)?);
        *made = Some(new.clone());
        Ok(new)
    }
}

impl Made {
    fn new(unit: &Unit, places: &Arc<Places>, points: &[usize], caps: Caps, wire: &Wire) -> Result<Self> {
        let (mut known, mut faults) = (vec![], vec![]);
        for at in points {
            let Some((slot, place)) = point(unit, places, *at) else { continue };
            match place.known() {
                Err(fault) => faults.push((slot, fault.clone())),
                Ok(_) => known.push(*at),
            }
        }
        let is_alone = |at: &usize| places.points.get(*at).is_some_and(|place| place.alone);
        let groups: BTreeSet<&str> = known.iter().filter(|at| is_alone(at)).filter_map(|at| unit.group(*at)).collect();
        let (alone, together): (Vec<usize>, Vec<usize>) = known
            .into_iter()
            .partition(|at| is_alone(at) || unit.group(*at).is_some_and(|group| groups.contains(group)));
        // With 1 each stands by itself, and each group.
        let planned = plan(&due(unit, together), caps.nodes).into_iter().chain(plan(&due(unit, alone), 1)).collect();
        let (parts, refused) = Part::all(places, unit, planned, caps, wire)?;
        faults.extend(refused);
        Ok(Self { places: places.clone(), caps, parts, faults })
    }
}

/// What was heard in one exchange.
#[derive(Debug, Default)]
struct Heard {
    /// Values of nodes whose device is there, and answers that could not be decoded. What is not there has no device and says nothing of it.
    there: usize,
    /// By this code the device behind the server is gone.
    gone: Option<Code>,
    /// Answers that could not be decoded.
    suspects: usize,
    /// Points whose nodes are not there.
    lost: Vec<usize>,
}

impl Link {
    /// One exchange. A code: not one of its nodes has a device, by what the server says, and none that is read has said otherwise lately.
    pub(crate) async fn fetch(
        &self,
        unit: &Unit,
        exchange: &Exchange<Request>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Option<Code>> {
        let places = self.places(unit, until).await?;
        let wire = self.session().wire_of(places.epoch, until).await?;
        let caps = Caps::of(self.session().limits());
        let made = exchange.request.made(unit, &places, &exchange.points, caps, &wire)?;
        for (slot, fault) in &made.faults {
            out.fault(*slot, fault.clone());
        }
        let mut heard = Heard::default();
        let mut open: Vec<Arc<Part>> = made.parts.iter().rev().cloned().collect();
        while let Some(part) = open.pop() {
            let smaller = self.part(unit, &places, &part, until, &mut heard, out).await?;
            open.extend(smaller.into_iter().rev());
        }
        self.lose(unit, &heard.lost);
        let there = heard.there > 0;
        let lately = self.feeds().get(&unit.id()).is_some_and(|feed| feed.answers(there));
        Ok(heard.gone.filter(|_| !there && !lately))
    }
    /// One request; what of it is to be asked in smaller ones.
    async fn part(
        &self,
        unit: &Unit,
        places: &Arc<Places>,
        part: &Part,
        until: Instant,
        heard: &mut Heard,
        out: &mut Samples,
    ) -> Result<Vec<Arc<Part>>> {
        let wire = self.session().wire_of(places.epoch, until).await?;
        let (mut given, mut kept) = (0, Vec::with_capacity(if part.grouped { part.points.len() } else { 0 }));
        let each = |place: usize, sample: Sample| {
            given = place + 1;
            let Some(at) = part.points.get(place) else { return };
            if part.grouped {
                kept.push((*at, sample));
            } else {
                heard.take(unit, places, *at, &sample, out);
            }
        };
        let Err(error) = part.plan.read(&wire, until, each).await else {
            for (at, sample) in &kept {
                heard.take(unit, places, *at, sample, out);
            }
            return Ok(vec![]);
        };
        let limits = self.session().limits();
        let (smaller, faults) = if given == 0
            && error.code().is_some_and(|code| limits.refused(Operation::Read, part.points.len(), code))
        {
            unit.learn(limits);
            part.halved(unit, places, Caps::of(limits), &error, &wire)?
        } else if matches!(error, Error::Decode { .. } | Error::Miscounted { .. } | Error::TooLarge(_)) {
            heard.suspects += 1;
            let missing = part.missing(unit, given);
            for (at, sample) in kept.iter().filter(|(at, _)| !missing.contains(at)) {
                heard.take(unit, places, *at, sample, out);
            }
            let suspect = part.points.get(given).filter(|_| matches!(error, Error::Decode { .. })).copied();
            let doubted = Self::doubted(&Doubt { unit, places, part, missing, suspect, error }, heard, &wire)?;
            heard.there += usize::from(!doubted.1.is_empty());
            doubted
        } else {
            return Err(error);
        };
        for (slot, fault) in faults {
            out.fault(slot, fault);
        }
        Ok(smaller)
    }
    /// Values that did not come with their request. All before one that cannot be decoded could be: it is asked by itself, with its read
    /// group, and those after it without it.
    fn doubted(doubt: &Doubt<'_>, heard: &Heard, wire: &Wire) -> Result<Parts> {
        let Doubt { unit, places, part, missing, suspect, error } = doubt;
        let block = suspect.map(|at| part.block(unit, at)).unwrap_or_default();
        if heard.suspects <= SUSPECTS && !block.is_empty() && block.len() < part.points.len() {
            let others: Vec<usize> = missing.iter().copied().filter(|at| !block.contains(at)).collect();
            let planned = [block, others].into_iter().filter(|points| !points.is_empty());
            let made = planned.map(|points| Part::new(places, unit, points, wire)).collect::<Result<_>>()?;
            return Ok((made, vec![]));
        }
        if let Some(suspect) = suspect.filter(|_| block.len() == part.points.len()) {
            unit.change_place(places, suspect, |place| place.alone = true);
        }
        Ok((vec![], faults(unit, missing, &fault(error))))
    }
}

/// What did not come with its request.
struct Doubt<'a> {
    unit: &'a Unit,
    places: &'a Arc<Places>,
    part: &'a Part,
    missing: BTreeSet<usize>,
    /// The first of which nothing could be decoded.
    suspect: Option<usize>,
    error: Error,
}

impl Heard {
    fn take(&mut self, unit: &Unit, places: &Places, at: usize, sample: &Sample, out: &mut Samples) {
        if let Some((slot, place)) = point(unit, places, at) {
            self.of(at, Code(sample.status));
            deliver(out, slot, place, sample, false);
        }
    }
    fn of(&mut self, at: usize, code: Code) {
        if code.is_bad() && is_lost(code) {
            self.lost.push(at);
        } else if code.is_bad() && code.kind() == ErrorKind::Unreachable {
            self.gone = Some(code);
        } else {
            self.there += 1;
        }
    }
}

fn point<'a>(unit: &Unit, places: &'a Places, at: usize) -> Option<(Slot, &'a Place)> {
    Some((unit.items().get(at)?.slot, places.points.get(at)?))
}

/// An error of one request, as the fault of its points: by the code's name where there is one.
pub(crate) fn fault(error: &Error) -> PointFault {
    match (error, error.code()) {
        (Error::Refused { code, .. }, _) => code.fault(),
        (_, Some(code)) => PointFault::new(error.kind(), format!("{}: {error}", code.name())),
        (_, None) => PointFault::new(error.kind(), error.to_string()),
    }
}

/// A value as it came, to where it goes.
/// `stood`: it stood there before anybody listened.
pub(crate) fn deliver(out: &mut Samples, slot: Slot, place: &Place, sample: &Sample, stood: bool) {
    let code = Code(sample.status);
    let time = unix_ms(if sample.source == 0 { sample.server } else { sample.source });
    if code.is_bad() {
        return out.fault_at(slot, code.fault(), time);
    }
    match place.kind.as_ref().map(|kind| value(&sample.value, kind)) {
        Ok(Ok(value)) if stood => {
            let (quality, word) =
                if code.is_uncertain() { (Quality::Uncertain, Some(code.name())) } else { (Quality::Good, None) };
            out.stood(slot, value, time, quality, word);
        }
        Ok(Ok(value)) if code.is_uncertain() => out.put_with(slot, value, time, Quality::Uncertain, code.name()),
        Ok(Ok(value)) => out.put_at(slot, value, time, Quality::Good),
        Ok(Err(fault)) => out.fault_at(slot, fault, time),
        Err(fault) => out.fault_at(slot, fault.clone(), time),
    }
}
