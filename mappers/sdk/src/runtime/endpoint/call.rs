//! Commands of a model: actions, which are no state, and so nothing that a twin brings about.
use super::{Ended, Endpoint};
use crate::{
    Call, CallError, Command, ControlError, DeviceKey, Precision, Protocol, Value, control::CallReply, convert::json_of,
};
use futures_util::FutureExt;
use pollux_crds::{Mode, Values, Writes};
use serde_json::Value as Json;
use tokio::sync::oneshot;

impl<P: Protocol> Endpoint<P> {
    /// Judged here, by the configuration that is in force, before it takes its turn; never repeated.
    pub(super) fn call(&mut self, key: DeviceKey, command: &str, arguments: &Values, reply: CallReply) {
        let call = match self.allowed(key, command, arguments) {
            Ok(call) => call,
            Err(why) => return drop(reply.send(Err(why))), // who asked may have left
        };
        let (answer, result) = oneshot::channel();
        if self.engine.try_send(Box::new(Command::Call { device: key, call, reply: answer })).is_err() {
            return drop(reply.send(Err(ControlError::Busy)));
        }
        let (name, command) = (self.devices.get(&key).map(|driven| driven.device.key()), command.to_owned());
        let told = async move {
            let result = match result.await {
                Ok(Ok(Value::Json(json))) => Ok(Json::clone(&json)), // null: it gives nothing
                Ok(Ok(value)) => {
                    json_of(&value, Precision::Double).map_err(|error| ControlError::Failed(error.to_string()))
                }
                Ok(Err(CallError::NotSent(why))) => Err(ControlError::NotConnected(why.text.into_owned())),
                Ok(Err(CallError::Refused(why))) => Err(ControlError::Failed(why.text.into_owned())),
                Ok(Err(CallError::Unknown(why))) => Err(ControlError::Unknown(why.text.into_owned())),
                Err(_) => Err(ControlError::Unknown("the mapper is shutting down".to_owned())),
            };
            // What acts on a device leaves one record, as a write does (design §3.8).
            let outcome = result.as_ref().map_or_else(ToString::to_string, |_| "done".to_owned());
            tracing::info!(target: "pollux::audit", device = name.unwrap_or_default(), command, result = outcome, "command");
            drop::<Result<(), Result<Json, ControlError>>>(reply.send(result)); // who asked may have left
            Ended::Kept
        };
        self.waiting.push(told.boxed());
    }
    fn allowed(&self, key: DeviceKey, command: &str, arguments: &Values) -> Result<Call, ControlError> {
        let driven = self.devices.get(&key).ok_or(ControlError::NoSuchDevice)?;
        let device = &driven.device;
        let known = device.commands.iter().any(|known| known.command.name == command);
        let wrong = if known { ControlError::Invalid } else { ControlError::NoSuchCommand };
        let call = Call::of(device, command, arguments).map_err(wrong)?;
        if device.mode != Mode::Control {
            let text = format!("mode is {:?}; a device is told something in mode Control only", device.mode);
            return Err(ControlError::Refused(text));
        }
        if driven.writes == Writes::Disabled {
            let text = "writes are disabled: by the MapperClass, or without a cluster for want of --allow-writes";
            return Err(ControlError::Refused(text.to_owned()));
        }
        if self.stopping {
            return Err(ControlError::Busy);
        }
        Ok(call)
    }
}
