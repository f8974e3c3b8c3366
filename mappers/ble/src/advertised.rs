//! What of an advertisement is meant.
use crate::{point::told, radio::Advert};
use jiff::Timestamp;
use pollux_ble_codec::{Company, advert};
use pollux_crds::BleAbout;
use pollux_mapper::Value;

/// Of the devices that send one.
pub(crate) fn packet_id(readings: &[advert::Reading]) -> Option<u8> {
    let id = readings.iter().find(|reading| reading.field.name == "packetId")?;
    #[expect(clippy::cast_possible_truncation, clippy::cast_sign_loss, reason = "it is a byte")]
    told(id.value.clone()).ok()?.as_f64().map(|id| id as u8)
}
pub(crate) fn about_of(about: BleAbout, advert: &Advert) -> Option<Value> {
    match about {
        BleAbout::Rssi => advert.rssi.map(|rssi| Value::Int(rssi.into())),
        BleAbout::TxPower => advert.tx_power.map(|power| Value::Int(power.into())),
        BleAbout::LocalName => advert.name.as_deref().map(Value::from),
        BleAbout::LastSeen => Some(Value::from(Timestamp::now().to_string().as_str())),
        BleAbout::Battery => None,
    }
}
pub(crate) fn data_of(advert: &Advert, source: advert::Source) -> Option<&[u8]> {
    match source {
        advert::Source::Company(Company(company)) => {
            advert.manufacturer.iter().find(|(id, _)| *id == company).map(|(_, data)| data.as_slice())
        }
        advert::Source::Service(uuid) => {
            advert.service.iter().find(|(id, _)| *id == uuid).map(|(_, data)| data.as_slice())
        }
    }
}
