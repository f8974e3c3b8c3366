//! Toy drivers over in-memory fakes, one per shape of field bus. The fakes honour `until`, as a wire and a stack would.
pub mod ble;
pub mod modbus;
pub mod mqtt;
pub mod opcua;

fn lock<T>(mutex: &std::sync::Mutex<T>) -> std::sync::MutexGuard<'_, T> {
    mutex.lock().unwrap_or_else(std::sync::PoisonError::into_inner)
}
/// The answer takes `cost`; false: there was none by `until`.
async fn answers(cost: std::time::Duration, until: pollux_mapper::Instant) -> bool {
    let answer = pollux_mapper::Instant::now() + cost;
    tokio::time::sleep_until(answer.min(until)).await;
    answer <= until
}
