//! The way to and from the API server.
use super::{MetricsSource, Sheet, catalog};
use crate::{report::ReportStats, source::kube::SourceStats};

impl MetricsSource for ReportStats {
    fn collect(&self, sheet: &mut Sheet) {
        for (result, count) in self.writes() {
            sheet.count(catalog::STATUS_WRITES, &[result], count);
        }
        sheet.count(catalog::STATUS_WAITING, &[], self.waiting() as u64);
        sheet.add(catalog::STATUS_WAITING_AGE, &[], self.oldest().as_secs_f64());
    }
}

impl MetricsSource for SourceStats {
    fn collect(&self, sheet: &mut Sheet) {
        if let Some(age) = self.since_contact() {
            sheet.add(catalog::SOURCE_CONTACT_AGE, &[], age.as_secs_f64());
        }
        if let Some(age) = self.since_config() {
            sheet.add(catalog::SOURCE_CONFIG_AGE, &[], age.as_secs_f64());
        }
        sheet.count(catalog::SOURCE_RESTARTS, &[], self.watch_restarts());
        sheet.count(catalog::SOURCE_TOKENS, &[], self.tokens());
        sheet.count(catalog::SOURCE_REFUSED, &[], self.refused());
        sheet.count(catalog::SOURCE_MISSING, &[], self.missing_revisions());
    }
}
