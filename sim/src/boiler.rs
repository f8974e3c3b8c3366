//! One boiler. Pure: time comes in as steps, chance as a seed.

/// Water and iron: what it takes to warm them by one kelvin.
const HEAT_CAPACITY_KJ_PER_K: f64 = 250.0;
const RATED_KW: f64 = 50.0;
const LOSS_KW_PER_K: f64 = 0.05;
const AMBIENT: f64 = 20.0;
const IGNITION_S: f64 = 3.0;
const SETBACK_K: f64 = 10.0;
const TOO_HOT: f64 = 95.0;
/// Simulated seconds per step of integration.
const STEP_S: f64 = 0.1;

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum Mode {
    Off,
    Auto,
    Manual,
}

#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub enum BurnerState {
    Off,
    Ignition,
    Running,
}

/// What a master may write.
#[derive(Debug, Clone, PartialEq)]
pub struct Settings {
    pub setpoint: f32,
    pub mode: Mode,
    pub maximum_modulation: u16,
    pub night_setback: bool,
    pub hot_water_priority: bool,
    /// In 0.1 K.
    pub hysteresis: i16,
    pub location: [u8; 16],
    pub enable: bool,
}

#[derive(Debug, Clone)]
pub struct Boiler {
    pub settings: Settings,
    pub serial_number: [u8; 16],
    /// 32-bit values have their registers swapped.
    pub word_swapped: bool,
    temperature: f64,
    load_kw: f64,
    modulation: f64,
    burner: BurnerState,
    ignition_s: f64,
    energy_wh: f64,
    starts: u32,
    noise: f64,
    chance: fastrand::Rng,
}

impl Boiler {
    pub fn new(unit: u8, seed: u64) -> Self {
        let mut chance = fastrand::Rng::with_seed(seed.wrapping_mul(31).wrapping_add(unit.into()));
        let setpoint = 60.0;
        let settings = Settings {
            setpoint,
            mode: Mode::Auto,
            maximum_modulation: 100,
            night_setback: false,
            hot_water_priority: false,
            hysteresis: 20,
            location: padded(&format!("Hall 2, line {unit}")),
            enable: true,
        };
        Self {
            settings,
            serial_number: padded(&format!("PX-{:04}-{unit:02}", chance.u16(1000..9999))),
            word_swapped: unit == 3,
            temperature: f64::from(setpoint) - 8.0 + 6.0 * chance.f64(),
            load_kw: 8.0 + 8.0 * chance.f64(),
            modulation: 0.0,
            burner: BurnerState::Off,
            ignition_s: 0.0,
            energy_wh: f64::from(chance.u32(1_000_000..9_000_000)),
            starts: chance.u32(100..5000),
            noise: 0.0,
            chance,
        }
    }

    /// Lets so many seconds pass, an hour at most.
    pub fn advance(&mut self, seconds: f64) {
        let mut left = seconds.clamp(0.0, 3600.0);
        while left > 0.0 {
            self.step(left.min(STEP_S));
            left -= STEP_S;
        }
        self.noise = self.chance.f64() - 0.5;
    }

    fn step(&mut self, seconds: f64) {
        self.control(seconds);
        let loss = (self.temperature - AMBIENT) * LOSS_KW_PER_K;
        let load = if self.pump() { self.load_kw * ((self.temperature - AMBIENT) / 40.0).clamp(0.0, 1.5) } else { 0.0 };
        let power = RATED_KW * self.modulation;
        self.temperature += (power - loss - load) * seconds / HEAT_CAPACITY_KJ_PER_K;
        self.energy_wh += power * seconds / 3.6;
        self.load_kw = (self.load_kw + (self.chance.f64() - 0.5) * 0.05 * seconds).clamp(4.0, 20.0);
    }

    /// Burner off, igniting, or modulating by how far the water is from its target.
    fn control(&mut self, seconds: f64) {
        let below = self.target() - self.temperature;
        let half = f64::from(self.settings.hysteresis) / 20.0;
        let wanted = match self.burner {
            BurnerState::Off => below > half,
            BurnerState::Ignition | BurnerState::Running => below > -half,
        };
        self.burner = match self.burner {
            _ if !wanted => BurnerState::Off,
            BurnerState::Off => {
                self.ignition_s = 0.0;
                BurnerState::Ignition
            }
            BurnerState::Ignition => self.ignite(seconds),
            BurnerState::Running => BurnerState::Running,
        };
        let most = f64::from(self.settings.maximum_modulation) / 100.0;
        self.modulation = match (self.burner, self.settings.mode) {
            (BurnerState::Running, Mode::Manual) => most,
            (BurnerState::Running, _) => (0.2 + below / 8.0).clamp(0.15, most),
            _ => 0.0,
        };
    }

    fn ignite(&mut self, seconds: f64) -> BurnerState {
        self.ignition_s += seconds;
        if self.ignition_s < IGNITION_S {
            return BurnerState::Ignition;
        }
        self.starts = self.starts.wrapping_add(1);
        BurnerState::Running
    }

    fn target(&self) -> f64 {
        let Settings { setpoint, mode, night_setback, enable, .. } = self.settings;
        match mode {
            _ if !enable => f64::MIN,
            Mode::Off => f64::MIN,
            Mode::Manual => 90.0,
            Mode::Auto => f64::from(setpoint) - if night_setback { SETBACK_K } else { 0.0 },
        }
    }

    /// Of a sensor that resolves 0.1 °C.
    pub fn temperature(&self) -> f32 {
        rounded(self.temperature + self.noise * 0.1, 10.0)
    }
    /// In bar, to 0.01: water expands.
    pub fn pressure(&self) -> f32 {
        rounded(1.2 + (self.temperature - AMBIENT) * 0.012 + self.noise * 0.01, 100.0)
    }
    /// In 0.1 °C.
    pub fn flue_temperature(&self) -> i16 {
        whole(f64::from(rounded(self.temperature + 60.0 * self.modulation, 10.0)) * 10.0)
    }
    pub fn burner(&self) -> BurnerState {
        self.burner
    }
    /// In percent.
    pub fn modulation(&self) -> u16 {
        whole(self.modulation * 100.0)
    }
    /// Counts up, and begins again as a 32-bit counter does.
    pub fn energy(&self) -> u32 {
        whole(self.energy_wh % 4_294_967_296.0)
    }
    pub fn starts(&self) -> u32 {
        self.starts
    }
    /// Runs on while the water is hot.
    pub fn pump(&self) -> bool {
        (self.settings.enable && self.settings.mode != Mode::Off) || self.temperature > 70.0
    }
    pub fn flame(&self) -> bool {
        self.burner == BurnerState::Running
    }
    pub fn too_hot(&self) -> bool {
        self.temperature > TOO_HOT
    }
}

fn padded(text: &str) -> [u8; 16] {
    let mut out = [0; 16];
    for (to, from) in out.iter_mut().zip(text.bytes()) {
        *to = from;
    }
    out
}

#[expect(clippy::cast_possible_truncation, reason = "a float32 is what the wire carries")]
fn rounded(value: f64, per: f64) -> f32 {
    ((value * per).round() / per) as f32
}

/// Saturates: a gauge at its end.
#[expect(clippy::cast_possible_truncation, reason = "rounded, and `as` from a float saturates")]
fn whole<T: TryFrom<i64> + Default>(value: f64) -> T {
    T::try_from(value.round() as i64).unwrap_or_default()
}

#[cfg(test)]
mod tests {
    use super::*;

    #[test]
    fn water_follows_the_setpoint_with_a_lag() {
        let mut boiler = Boiler::new(1, 7);
        boiler.advance(600.0);
        assert!((boiler.temperature() - 60.0).abs() < 3.0, "{}", boiler.temperature());
        boiler.settings.setpoint = 75.0;
        boiler.advance(5.0);
        assert!(boiler.temperature() < 65.0, "not at once: {}", boiler.temperature());
        boiler.advance(600.0);
        assert!((boiler.temperature() - 75.0).abs() < 3.0, "{}", boiler.temperature());
    }

    #[test]
    fn a_disabled_boiler_cools_and_burns_nothing() {
        let mut boiler = Boiler::new(2, 7);
        boiler.settings.enable = false;
        boiler.advance(60.0);
        let (energy, before) = (boiler.energy(), boiler.temperature());
        boiler.advance(1200.0);
        assert!(boiler.temperature() < before && !boiler.flame());
        assert_eq!(boiler.energy(), energy);
    }

    #[test]
    fn the_same_seed_tells_the_same_story() {
        let story = |seed| {
            let mut boiler = Boiler::new(1, seed);
            boiler.advance(100.0);
            (boiler.temperature().to_bits(), boiler.energy(), boiler.serial_number)
        };
        assert_eq!(story(1), story(1));
        assert_ne!(story(1), story(2));
    }
}
