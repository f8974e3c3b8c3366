//! Values with parts of their own (DataValue, DiagnosticInfo), of the JSON that they are read as.
use super::{scalar::natural, text::status_of, time::ticks};
use opcua::types::{DataValue, DateTime, DiagnosticInfo};
use serde_json::Value as Json;

/// Diagnostics within diagnostics, at most.
const DEEPEST: usize = 8;

/// None: there is a part that it has not.
pub(super) fn data_value(json: &Json) -> Option<DataValue> {
    let mut made = DataValue::null();
    for (part, value) in json.as_object()? {
        match part.as_str() {
            "Value" => made.value = Some(natural(value)?),
            "Status" => made.status = Some(status_of(value.as_str()?)?),
            "SourceTimestamp" => made.source_timestamp = Some(DateTime::from(ticks(value.as_str()?)?)),
            "ServerTimestamp" => made.server_timestamp = Some(DateTime::from(ticks(value.as_str()?)?)),
            _ => return None,
        }
    }
    Some(made)
}

/// The same.
pub(super) fn diagnostic(json: &Json) -> Option<DiagnosticInfo> {
    within(json, DEEPEST)
}
fn within(json: &Json, deeper: usize) -> Option<DiagnosticInfo> {
    let number = |value: &Json| value.as_i64().and_then(|number| i32::try_from(number).ok());
    let mut made = DiagnosticInfo::default();
    for (part, value) in json.as_object()? {
        match part.as_str() {
            "SymbolicId" => made.symbolic_id = Some(number(value)?),
            "NamespaceUri" => made.namespace_uri = Some(number(value)?),
            "Locale" => made.locale = Some(number(value)?),
            "LocalizedText" => made.localized_text = Some(number(value)?),
            "AdditionalInfo" => made.additional_info = Some(value.as_str()?.into()),
            "InnerStatusCode" => made.inner_status_code = Some(status_of(value.as_str()?)?),
            "InnerDiagnosticInfo" => {
                made.inner_diagnostic_info = Some(Box::new(within(value, deeper.checked_sub(1)?)?));
            }
            _ => return None,
        }
    }
    Some(made)
}
