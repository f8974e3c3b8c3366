//! Reading: requests encoded once, as large as the server takes; a value that cannot be decoded is Bad by itself.
use crate::{
    error::{Code, Error, Result},
    feed::is_lost,
    limits::Operation,
    link::Link,
    places::{Place, Places},
    plan::{Due, plan},
    unit::Unit,
    values::{unix_ms, value},
    wire::{ReadPlan, Sample, Wire},
};
use opcua::types::{AttributeId, QualifiedName, ReadValueId};
use pollux_mapper::{DriverError, ErrorKind, Exchange, Instant, PointFault, Quality, Samples, Slot};
use std::sync::{Arc, Mutex, PoisonError};

/// Answers that could not be decoded, in one exchange, until the rest is not asked for.
const SUSPECTS: usize = 16;

/// What an exchange reads, in bytes, from its first sending on.
#[derive(Debug, Default)]
pub struct Request {
    made: Mutex<Option<Arc<Made>>>,
}

/// Of these places, with this cap.
#[derive(Debug)]
struct Made {
    places: Arc<Places>,
    cap: usize,
    parts: Vec<Arc<Part>>,
    faults: Vec<(Slot, PointFault)>,
}

/// One request.
#[derive(Debug)]
struct Part {
    plan: ReadPlan,
    points: Vec<usize>,
}

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
        // What a write is verified by must come from the device: maxAge is 0.
        Ok(Arc::new(Self { plan: ReadPlan::new(&nodes, 0.0, wire)?, points }))
    }
}

impl Request {
    fn made(&self, unit: &Unit, places: &Arc<Places>, points: &[usize], cap: usize, wire: &Wire) -> Result<Arc<Made>> {
        let mut made = self.made.lock().unwrap_or_else(PoisonError::into_inner);
        let fits = |made: &&Arc<Made>| Arc::ptr_eq(&made.places, places) && made.cap == cap;
        if let Some(made) = made.as_ref().filter(fits) {
            return Ok(made.clone());
        }
        let new = Arc::new(Made::new(unit, places, points, cap, wire)?);
        *made = Some(new.clone());
        Ok(new)
    }
}

impl Made {
    fn new(unit: &Unit, places: &Arc<Places>, points: &[usize], cap: usize, wire: &Wire) -> Result<Self> {
        let (mut due, mut alone, mut faults) = (vec![], vec![], vec![]);
        for at in points {
            let (Some(place), Some(item)) = (places.points.get(*at), unit.items().get(*at)) else { continue };
            match place.known() {
                Err(fault) => faults.push((item.slot, fault.clone())),
                Ok(_) if place.alone => alone.push(vec![*at]),
                Ok(_) => due.push(Due { point: *at, group: item.group.as_deref() }),
            }
        }
        let mut parts = vec![];
        for points in plan(&due, cap).into_iter().chain(alone) {
            if points.len() <= cap {
                parts.push(Part::new(places, unit, points, wire)?);
                continue;
            }
            let text = format!("a read group of {} nodes, and the server takes {cap} in one Read", points.len());
            let fault = PointFault::new(ErrorKind::Config, text);
            faults.extend(points.iter().filter_map(|at| Some((unit.items().get(*at)?.slot, fault.clone()))));
        }
        Ok(Self { places: places.clone(), cap, parts, faults })
    }
}

/// What was heard in one exchange.
#[derive(Debug, Default)]
struct Heard {
    /// Values of nodes whose device is there.
    there: usize,
    /// By this code the device behind the server is gone.
    gone: Option<Code>,
    /// Answers that could not be decoded.
    suspects: usize,
    /// Points whose nodes are not there.
    lost: Vec<usize>,
}

impl Link {
    /// One exchange. A code: not one of its nodes has a device, by what the server says.
    pub(crate) async fn fetch(
        &self,
        unit: &Unit,
        exchange: &Exchange<Request>,
        until: Instant,
        out: &mut Samples,
    ) -> Result<Option<Code>> {
        let places = self.places(unit, until).await?;
        let wire = self.session().wire_of(places.epoch, until).await?;
        let cap = self.session().limits().cap(Operation::Read);
        let made = exchange.request.made(unit, &places, &exchange.points, cap, &wire)?;
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
        Ok(heard.gone.filter(|_| heard.there == 0 && made.faults.is_empty()))
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
        let mut given = 0;
        let each = |place: usize, sample: Sample| {
            given = place + 1;
            let Some(at) = part.points.get(place) else { return };
            if let Some((slot, place)) = point(unit, places, *at) {
                heard.of(*at, Code(sample.status));
                deliver(out, slot, place, &sample);
            }
        };
        let Err(error) = part.plan.read(&wire, until, each).await else { return Ok(vec![]) };
        let make = |points: &[usize]| Part::new(places, unit, points.to_vec(), &wire);
        let limits = self.session().limits();
        if error.code().is_some_and(|code| limits.refused(Operation::Read, part.points.len(), code)) && given == 0 {
            unit.learn(limits);
            return part.points.chunks(limits.cap(Operation::Read)).map(make).collect();
        }
        if !matches!(error, Error::Decode { .. } | Error::Miscounted { .. } | Error::TooLarge(_)) {
            return Err(error);
        }
        heard.suspects += 1;
        let rest = part.points.get(given..).unwrap_or_default();
        match rest.split_first() {
            // All before it could be decoded: it is asked by itself, and those after it without it.
            Some((suspect, others))
                if heard.suspects <= SUSPECTS && part.points.len() > 1 && matches!(error, Error::Decode { .. }) =>
            {
                let others = (!others.is_empty()).then_some(others);
                std::iter::once(std::slice::from_ref(suspect)).chain(others).map(make).collect()
            }
            _ => {
                for at in rest {
                    if let Some((slot, _)) = point(unit, places, *at) {
                        out.fault(slot, fault(&error));
                    }
                }
                if let ([one], Error::Decode { .. }) = (rest, &error) {
                    unit.change_place(places, *one, |place| place.alone = true);
                }
                heard.there += 1;
                Ok(vec![])
            }
        }
    }
}

impl Heard {
    fn of(&mut self, at: usize, code: Code) {
        if code.is_bad() && is_lost(code) {
            self.lost.push(at);
        }
        if code.is_bad() && code.kind() == ErrorKind::Unreachable {
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
pub(crate) fn deliver(out: &mut Samples, slot: Slot, place: &Place, sample: &Sample) {
    let code = Code(sample.status);
    let time = unix_ms(if sample.source == 0 { sample.server } else { sample.source });
    if code.is_bad() {
        return out.fault_at(slot, code.fault(), time);
    }
    match place.kind.as_ref().map(|kind| value(&sample.value, kind)) {
        Ok(Ok(value)) if code.is_uncertain() => out.put_with(slot, value, time, Quality::Uncertain, code.name()),
        Ok(Ok(value)) => out.put_at(slot, value, time, Quality::Good),
        Ok(Err(fault)) => out.fault_at(slot, fault, time),
        Err(fault) => out.fault_at(slot, fault.clone(), time),
    }
}
