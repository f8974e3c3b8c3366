//! Generated from mappers/ble/codec/data/descriptors.csv by `cargo xtask assigned-numbers`; edits are lost.
use super::{Row, row};

#[rustfmt::skip]
pub(crate) static DESCRIPTORS: &[Row] = &[
    row(0x2900, "Characteristic Extended Properties", "descriptor.gatt.characteristic_extended_properties"),
    row(0x2901, "Characteristic User Description", "descriptor.gatt.characteristic_user_description"),
    row(0x2902, "Client Characteristic Configuration", "descriptor.gatt.client_characteristic_configuration"),
    row(0x2903, "Server Characteristic Configuration", "descriptor.gatt.server_characteristic_configuration"),
    row(0x2904, "Characteristic Presentation Format", "descriptor.gatt.characteristic_presentation_format"),
    row(0x2905, "Characteristic Aggregate Format", "descriptor.gatt.characteristic_aggregate_format"),
    row(0x2906, "Valid Range", "descriptor.valid_range"),
    row(0x2907, "External Report Reference", "descriptor.external_report_reference"),
    row(0x2908, "Report Reference", "descriptor.report_reference"),
    row(0x2909, "Number of Digitals", "descriptor.number_of_digitals"),
    row(0x290A, "Value Trigger Setting", "descriptor.value_trigger_setting"),
    row(0x290B, "Environmental Sensing Configuration", "descriptor.es_configuration"),
    row(0x290C, "Environmental Sensing Measurement", "descriptor.es_measurement"),
    row(0x290D, "Environmental Sensing Trigger Setting", "descriptor.es_trigger_setting"),
    row(0x290E, "Time Trigger Setting", "descriptor.time_trigger_setting"),
    row(0x290F, "Complete BR-EDR Transport Block Data", "descriptor.complete_br_edr_transport_block_data"),
    row(0x2910, "Observation Schedule", "descriptor.observation_schedule"),
    row(0x2911, "Valid Range and Accuracy", "descriptor.valid_range_accuracy"),
    row(0x2912, "Measurement Description", "descriptor.measurement_description"),
    row(0x2913, "Manufacturer Limits", "descriptor.manufacturer_limits"),
    row(0x2914, "Process Tolerances", "descriptor.process_tolerances"),
    row(0x2915, "IMD Trigger Setting", "descriptor.imd_trigger_setting"),
    row(0x2916, "Cooking Sensor Info", "descriptor.cooking_sensor_info"),
    row(0x2917, "Cooking Trigger Setting", "descriptor.cooking_trigger_setting"),
];
