//! How a server is entered: its endpoint, a channel, a session on it. Each step once; what is tried again, and when, is decided elsewhere.
use super::create::{Created, Wanted, close};
use crate::{
    error::Result,
    security::{Found, Identity, find, own, words},
    settings::Settings,
    wire::{Dial, Limits, Own, Wire},
};
use pollux_crds::{OpcUaLimits, Span};
use pollux_mapper::Cx;
use std::{
    sync::{Arc, Mutex, PoisonError},
    time::Duration,
};
use tokio::time::Instant;

/// Lifetime of a channel's token that is asked for.
const TOKEN: Duration = Duration::from_hours(1);
/// Default of `session.timeout`.
const SESSION: Span = Span::from_secs(60);

/// What is needed to enter.
#[derive(Debug)]
pub(super) struct Door {
    settings: Arc<Settings>,
    cx: Cx,
    own: Option<Arc<Own>>,
    identity: Identity,
    /// The endpoint that was chosen and trusted last.
    found: Mutex<Arc<Found>>,
}

impl Door {
    /// Who we are, and the endpoint that is meant.
    pub(super) async fn new(settings: Arc<Settings>, cx: &Cx, until: Instant) -> Result<Self> {
        let own = own(cx, &settings.security).await?;
        let identity = Identity::of(&settings, cx)?;
        let found = Mutex::new(Arc::new(find(&settings, cx, until).await?));
        Ok(Self { settings, cx: cx.clone(), own, identity, found })
    }
    /// Asks for the endpoints anew: the server may have another certificate by now.
    pub(super) async fn find(&self, until: Instant) -> Result<()> {
        let found = find(&self.settings, &self.cx, until).await?;
        *self.found.lock().unwrap_or_else(PoisonError::into_inner) = Arc::new(found);
        Ok(())
    }
    fn found(&self) -> Arc<Found> {
        self.found.lock().unwrap_or_else(PoisonError::into_inner).clone()
    }
    /// A channel.
    pub(super) async fn channel(&self, until: Instant) -> Result<Wire> {
        let found = self.found();
        let dial = Dial {
            host: &found.host,
            port: found.port,
            url: &found.url,
            endpoint: &found.endpoint,
            own: self.own.as_ref(),
            limits: bounds(&self.settings.limits),
            lifetime: TOKEN,
            until,
        };
        Wire::open(&dial).await
    }
    /// A session of its own on it, activated.
    pub(super) async fn session(&self, wire: &Wire, until: Instant) -> Result<Created> {
        let found = self.found();
        let wanted = Wanted {
            found: &found,
            own: self.own.as_ref(),
            name: "Pollux",
            timeout: self.settings.session.timeout.unwrap_or(SESSION).duration(),
            message: bounds(&self.settings.limits).message,
            insecure: self.settings.security.insecure == Some(true),
        };
        let mut created = Created::new(wire, &wanted, until).await?;
        let entered = match self.keep(&found).await {
            Ok(()) => created.activate(wire, self.own.as_ref(), &self.identity, until).await,
            error => error,
        };
        if let Err(error) = entered {
            close(wire, true, until).await; // or it would count against the server's sessions
            return Err(error);
        }
        Ok(created)
    }
    /// The certificate that was trusted for it is the first, once.
    async fn keep(&self, found: &Arc<Found>) -> Result<()> {
        if !found.first_use {
            return Ok(());
        }
        found.keep(&self.settings, &self.cx).await?;
        let mut now = self.found.lock().unwrap_or_else(PoisonError::into_inner);
        if Arc::ptr_eq(&now, found) {
            *now = Arc::new(Found { first_use: false, ..(**found).clone() });
        }
        Ok(())
    }
    /// The session that was there, on a new channel.
    pub(super) async fn activate(&self, wire: &Wire, created: &mut Created, until: Instant) -> Result<()> {
        created.activate(wire, self.own.as_ref(), &self.identity, until).await
    }
    /// An error of entering, in words that say what is to be done where it is a matter of trust, or of who we are.
    pub(super) fn in_words(&self, error: crate::Error) -> crate::Error {
        words::of_identity(words::while_opening(error, self.own.as_deref()), self.settings.identity.as_ref())
    }
}

/// What a server may send.
fn bounds(limits: &OpcUaLimits) -> Limits {
    let or = |wanted: Option<i32>, default| wanted.and_then(|most| usize::try_from(most).ok()).unwrap_or(default);
    let default = Limits::default();
    let message = or(limits.message_size, default.message);
    Limits {
        message,
        held: message.saturating_mul(4),
        array: or(limits.array_length, default.array),
        string: or(limits.string_length, default.string),
    }
}
