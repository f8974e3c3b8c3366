//! Devices and Channels, as the hub has them.
use super::{MetricDoc, MetricsSource, Sheet, catalog};
use crate::Hub;
use pollux_crds::{CONNECTED, HEALTHY, IN_SYNC, condition};

const CONDITIONS: [(&MetricDoc, &str); 3] =
    [(catalog::DEVICE_CONNECTED, CONNECTED), (catalog::DEVICE_HEALTHY, HEALTHY), (catalog::DEVICE_IN_SYNC, IN_SYNC)];

impl MetricsSource for Hub {
    fn collect(&self, sheet: &mut Sheet) {
        let mut devices: Vec<_> = self.devices().into_values().collect();
        devices.sort_by_key(|view| view.version); // of one name the newest is shown
        sheet.count(catalog::DEVICES, &[], devices.len() as u64);
        for view in devices {
            let (labels, state) = ([view.device.namespace.as_str(), view.device.name.as_str()], &view.snapshot);
            for (doc, type_) in CONDITIONS {
                let is = condition(state.conditions(), type_).is_some_and(|c| c.status == "True");
                sheet.add(doc, &labels, f64::from(u8::from(is)));
            }
            sheet.count(catalog::DEVICE_PENDING, &labels, state.pending().len() as u64);
            sheet.count(catalog::DEVICE_NOT_GOOD, &labels, state.not_good() as u64);
        }
        for channel in self.channels() {
            let open = f64::from(u8::from(channel.state.connected));
            sheet.add(catalog::CHANNEL_CONNECTED, &[&channel.namespace, &channel.name], open);
        }
    }
}
