//! Who a device says it is: function 43/14, page by page.
use super::{Ask, Manners, Wire};
use crate::{
    error::Error,
    frame::{
        Answer, ReadCode, Request,
        identity::{Page, name, page},
    },
};
use pollux_mapper::{Fault, Instant};
use std::collections::BTreeMap;

/// Objects have ids from 0 to 255; no device has so many pages of them.
const MOST_PAGES: usize = 16;

impl Wire {
    /// What the device says of itself, by the names of the standard; where it knows no more, the basic three. None: it refused.
    pub async fn identify(
        &self,
        unit: u8,
        manners: Manners,
        until: Instant,
    ) -> Result<Option<BTreeMap<String, String>>, Fault<Error>> {
        for code in [ReadCode::Regular, ReadCode::Basic] {
            if let Some(objects) = self.objects(unit, code, manners, until).await? {
                return Ok(Some(objects));
            }
        }
        Ok(None)
    }

    async fn objects(
        &self,
        unit: u8,
        code: ReadCode,
        manners: Manners,
        until: Instant,
    ) -> Result<Option<BTreeMap<String, String>>, Fault<Error>> {
        let (mut objects, mut from) = (BTreeMap::new(), 0);
        for _ in 0..MOST_PAGES {
            let request = Request::ReadDeviceIdentification(code, from);
            let Answer::Data(data) = self.ask(&Ask { unit, request: &request, until, manners }, || ()).await? else {
                return Ok(None);
            };
            let Page { objects: told, next } = page(&data);
            objects.extend(told.into_iter().filter_map(|(id, text)| Some((name(id)?.to_owned(), text))));
            match next {
                Some(next) if next > from => from = next, // or it would go round
                _ => break,
            }
        }
        Ok(Some(objects))
    }
}
