//! Writing: values of one characteristic in one write, a part of it around what stands there.
use crate::{
    error::Error,
    feed::Feed,
    link::Link,
    point::Item,
    radio::{Characteristic, Radio as _, Stack},
    unit::Unit,
};
use pollux_crds::BleWriteType;
use pollux_mapper::{ErrorKind, Fault, Instant, PointFault, Value, Written};
use std::collections::BTreeMap;

type Done = Result<(), Fault<Error>>;

/// Values of one characteristic: (position in the group, property, value).
struct Own<'w>(Vec<(usize, &'w Item, &'w Value)>);

impl Own<'_> {
    fn mark(&self, mut with: impl FnMut(usize)) {
        for (number, ..) in &self.0 {
            with(*number);
        }
    }
    fn refuse(&self, out: &mut Written, fault: &PointFault) {
        self.mark(|number| out.refused(number, fault.clone()));
    }
    fn is_part(&self) -> bool {
        self.0.iter().any(|(_, item, _)| item.is_part())
    }
    /// Whether with a response, where the points say so and the characteristic can.
    fn answered(&self, what: &Characteristic) -> Result<bool, PointFault> {
        let says = |kind: BleWriteType| self.0.iter().any(|(_, item, _)| item.write == kind);
        let no = |text: &'static str| Err(PointFault::new(ErrorKind::Config, text));
        match (what.can.write, what.can.write_without_response) {
            (false, false) => no("the device does not let it be written"),
            (false, true) if says(BleWriteType::WithResponse) => no("the device takes it without a response only"),
            (true, false) if says(BleWriteType::WithoutResponse) => no("the device takes it with a response only"),
            (true, true) => Ok(!says(BleWriteType::WithoutResponse) || says(BleWriteType::WithResponse)),
            (with, _) => Ok(with),
        }
    }
    /// All of them in the bytes that stand there, or in new ones.
    fn encode(&self, mut bytes: Option<Vec<u8>>) -> Result<Vec<u8>, PointFault> {
        for (_, item, value) in &self.0 {
            bytes = Some(item.encode(value, bytes.as_deref())?);
        }
        Ok(bytes.unwrap_or_default())
    }
}

impl<S: Stack> Link<S> {
    pub(crate) async fn put(&self, unit: &Unit, values: &[(usize, Value)], until: Instant, out: &mut Written) -> Done {
        let feed = self.feed(unit).map_err(Error::of_device)?;
        let mut groups = BTreeMap::<usize, Own<'_>>::new();
        for (number, (at, value)) in values.iter().enumerate() {
            match unit.items.get(*at).and_then(|item| Some((item.place()?, item))) {
                Some((place, item)) => groups.entry(place).or_insert(Own(vec![])).0.push((number, item, value)),
                None => out.refused(number, PointFault::new(ErrorKind::Config, "only a characteristic can be written")),
            }
        }
        for (place, own) in groups {
            self.put_one(&feed, place, &own, until, out).await?;
        }
        Ok(())
    }
    async fn put_one(&self, feed: &Feed, place: usize, own: &Own<'_>, until: Instant, out: &mut Written) -> Done {
        let found = feed.place(place).and_then(|found| Ok((own.answered(&found)?, found)));
        let (answered, found) = match found {
            Ok(found) => found,
            Err(fault) => {
                own.refuse(out, &fault);
                return Ok(());
            }
        };
        let mut before = None;
        if own.is_part() {
            own.mark(|number| out.not_sent(number));
            match self.radio().read(&found, until).await {
                Ok(bytes) => before = Some(bytes),
                Err(Error::Refused(text)) => {
                    let text = format!("it is a part of a value that cannot be read first: {text}");
                    own.refuse(out, &PointFault::new(ErrorKind::Protocol, text));
                    return Ok(());
                }
                Err(other) => return Err(other.of_device()),
            }
        }
        let bytes = match own.encode(before) {
            Ok(bytes) => bytes,
            Err(fault) => {
                own.refuse(out, &fault);
                return Ok(());
            }
        };
        own.mark(|number| out.sending(number));
        match self.radio().write(&found, &bytes, answered, until).await {
            Ok(()) => own.mark(|number| out.done(number)),
            Err(error @ Error::Refused(_)) => own.refuse(out, &error.of_point()),
            Err(other) => return Err(other.of_device()),
        }
        Ok(())
    }
}
