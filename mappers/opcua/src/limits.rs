//! How many operations one request may hold: what we are told to send at most, what the server says (OperationLimits, Part 5, 6.3.11),
//! and what it was seen to refuse, the least of these. Pure, but for [`in_parts`], which sends.
use crate::error::{Code, Error, Result};
use opcua::types::{SubStatusCode, VariableId};
use pollux_crds::OpcUaLimits;
use serde_json::{Map, Value as Json};
use std::sync::atomic::{AtomicUsize, Ordering::Relaxed};

/// What a request holds many of.
#[derive(Debug, Clone, Copy, PartialEq, Eq)]
pub(crate) enum Operation {
    /// Nodes of a Read.
    Read,
    /// Nodes of a Write.
    Write,
    /// Methods of a Call.
    Call,
    /// Nodes of a Browse.
    Browse,
    /// Nodes of a RegisterNodes.
    Register,
    /// Paths of a TranslateBrowsePathsToNodeIds.
    Translate,
    /// Items of a CreateMonitoredItems, and of its kin.
    Items,
}

impl Operation {
    /// All of them, in the order of their discriminants.
    pub(crate) const ALL: [Self; 7] =
        [Self::Read, Self::Write, Self::Call, Self::Browse, Self::Register, Self::Translate, Self::Items];

    /// Where the server says how many it takes.
    pub(crate) fn node(self) -> VariableId {
        match self {
            Self::Read => VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRead,
            Self::Write => VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerWrite,
            Self::Call => VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerMethodCall,
            Self::Browse => VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerBrowse,
            Self::Register => VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerRegisterNodes,
            Self::Translate => {
                VariableId::Server_ServerCapabilities_OperationLimits_MaxNodesPerTranslateBrowsePathsToNodeIds
            }
            Self::Items => VariableId::Server_ServerCapabilities_OperationLimits_MaxMonitoredItemsPerCall,
        }
    }
    /// The service, as the standard calls it.
    pub(crate) fn name(self) -> &'static str {
        match self {
            Self::Read => "Read",
            Self::Write => "Write",
            Self::Call => "Call",
            Self::Browse => "Browse",
            Self::Register => "RegisterNodes",
            Self::Translate => "TranslateBrowsePathsToNodeIds",
            Self::Items => "CreateMonitoredItems",
        }
    }
    /// Most that we send, whatever a server says, and where it says nothing.
    fn most(self, limits: &OpcUaLimits) -> usize {
        let (wanted, most) = match self {
            Self::Read | Self::Register => (limits.read, 10_000),
            Self::Write => (limits.write, 1000),
            Self::Browse | Self::Translate => (limits.browse, 1000),
            Self::Items => (limits.monitored_items, 1000),
            Self::Call => (None, 100),
        };
        wanted.and_then(|wanted| usize::try_from(wanted).ok()).unwrap_or(most).max(1)
    }
}

/// What one session may send at once.
#[derive(Debug)]
pub(crate) struct Learned {
    /// By configuration and by the server's word.
    told: [AtomicUsize; Operation::ALL.len()],
    /// By what it refused; `usize::MAX`: nothing.
    seen: [AtomicUsize; Operation::ALL.len()],
    /// The fewest that it refused for their number, and not for their size; `usize::MAX`: nothing. Between them and what is sent at once lies what was never tried.
    refused: [AtomicUsize; Operation::ALL.len()],
}

impl Learned {
    /// Of a server that said nothing yet.
    pub(crate) fn new(limits: &OpcUaLimits) -> Self {
        let told = Operation::ALL.map(|operation| AtomicUsize::new(operation.most(limits)));
        let nothing = || Operation::ALL.map(|_| AtomicUsize::new(usize::MAX));
        Self { told, seen: nothing(), refused: nothing() }
    }
    fn of(all: &[AtomicUsize; Operation::ALL.len()], operation: Operation) -> Option<&AtomicUsize> {
        Operation::ALL.iter().position(|one| *one == operation).and_then(|at| all.get(at))
    }
    /// What the server says of itself; 0: it sets no limit.
    pub(crate) fn server_says(&self, operation: Operation, most: u32) {
        let most = usize::try_from(most).unwrap_or(usize::MAX);
        if let Some(told) = Self::of(&self.told, operation).filter(|_| most > 0) {
            told.fetch_min(most, Relaxed);
        }
    }
    /// How many one request may hold; at least 1.
    pub(crate) fn cap(&self, operation: Operation) -> usize {
        let least = |all| Self::of(all, operation).map_or(1, |cap| cap.load(Relaxed));
        least(&self.told).min(least(&self.seen)).max(1)
    }
    /// How many it may hold that stand in one request or in none; more were refused before, or it says so.
    pub(crate) fn takes(&self, operation: Operation) -> usize {
        let least = |all| Self::of(all, operation).map_or(1, |cap| cap.load(Relaxed));
        least(&self.told).min(least(&self.refused).saturating_sub(1)).max(1)
    }
    /// A request of so many was refused as a whole. True: for their number or size; smaller ones are to be sent.
    pub(crate) fn refused(&self, operation: Operation, sent: usize, code: Code) -> bool {
        if sent < 2 || !is_too_much(code) {
            return false;
        }
        if let Some(seen) = Self::of(&self.seen, operation) {
            seen.fetch_min(sent / 2, Relaxed);
        }
        if let Some(refused) = Self::of(&self.refused, operation).filter(|_| is_too_many(code)) {
            refused.fetch_min(sent, Relaxed);
        }
        true
    }
    /// What was learned by refusals, for another life; Null: nothing.
    pub(crate) fn kept(&self) -> Json {
        let kept: Map<String, Json> = self.seen().map(|(name, cap)| (name.to_owned(), cap.into())).collect();
        if kept.is_empty() { Json::Null } else { Json::Object(kept) }
    }
    /// What was kept; all else is ignored.
    pub(crate) fn recall(&self, kept: &Json) {
        for operation in Operation::ALL {
            let cap = kept.get(operation.name()).and_then(Json::as_u64).and_then(|cap| usize::try_from(cap).ok());
            if let (Some(cap), Some(seen)) = (cap.filter(|cap| *cap > 0), Self::of(&self.seen, operation)) {
                seen.fetch_min(cap, Relaxed);
            }
        }
    }
    /// Nothing was refused yet.
    pub(crate) fn forget(&self) {
        for seen in self.seen.iter().chain(&self.refused) {
            seen.store(usize::MAX, Relaxed);
        }
    }
    fn seen(&self) -> impl Iterator<Item = (&'static str, usize)> {
        let seen = Operation::ALL.iter().zip(&self.seen);
        seen.map(|(operation, cap)| (operation.name(), cap.load(Relaxed))).filter(|(_, cap)| *cap != usize::MAX)
    }
}

/// What of it is [`Learned::kept`]'s own form; Null: nothing.
pub(crate) fn known(kept: &Json) -> Json {
    let learned = Learned::new(&OpcUaLimits::default());
    learned.recall(kept);
    learned.kept()
}

/// What [`Learned::kept`] says, for people.
pub(crate) fn in_words(kept: &Json) -> Vec<String> {
    let line = |operation: Operation| {
        let cap = kept.get(operation.name()).and_then(Json::as_u64)?;
        Some(format!("{}: at most {cap} in one request, for the server refused more", operation.name()))
    };
    Operation::ALL.into_iter().filter_map(line).collect()
}

/// A server may say so after it has done what it was asked: the answer did not fit, or something failed on the way (Part 4, 7.38.2).
pub(crate) fn may_be_done(error: &Error) -> bool {
    use SubStatusCode as S;
    let code = error.code().and_then(|code| SubStatusCode::from_value(code.0 & 0xFFFF_0000));
    let late = [
        S::BadResponseTooLarge,
        S::BadInternalError,
        S::BadUnexpectedError,
        S::BadOutOfMemory,
        S::BadEncodingError,
        S::BadServerHalted,
        S::BadShutdown,
    ];
    code.is_some_and(|code| late.contains(&code))
}

/// Refused for how many they were, whatever they are.
fn is_too_many(code: Code) -> bool {
    SubStatusCode::from_value(code.0 & 0xFFFF_0000) == Some(SubStatusCode::BadTooManyOperations)
}

/// Refused for how much it was, so that half of it may pass.
fn is_too_much(code: Code) -> bool {
    use SubStatusCode as S;
    matches!(
        SubStatusCode::from_value(code.0 & 0xFFFF_0000),
        Some(
            S::BadTooManyOperations
                | S::BadEncodingLimitsExceeded
                | S::BadRequestTooLarge
                | S::BadResponseTooLarge
                | S::BadTcpMessageTooLarge
        )
    )
}

/// Sends all of them in as few requests as the server takes, and in smaller ones where it refuses their number. One result for each,
/// in order; a server that gives more or fewer is refused. What was sent twice was refused before: nothing is done twice.
pub(crate) async fn in_parts<T, R, F>(
    limits: &Learned,
    operation: Operation,
    all: &[T],
    mut send: impl FnMut(Vec<T>) -> F,
) -> Result<Vec<R>>
where
    T: Clone,
    F: Future<Output = Result<Vec<R>>>,
{
    let (mut rest, mut results) = (all, Vec::with_capacity(all.len()));
    while !rest.is_empty() {
        let (part, after) = rest.split_at(limits.cap(operation).min(rest.len()));
        match send(part.to_vec()).await {
            Ok(answers) if answers.len() == part.len() => {
                results.extend(answers);
                rest = after;
            }
            Ok(answers) => {
                let (results, asked) = (answers.len(), part.len());
                return Err(Error::Miscounted { service: operation.name(), results, asked });
            }
            Err(error) => {
                let smaller = error.code().is_some_and(|code| limits.refused(operation, part.len(), code));
                if !smaller {
                    return Err(error);
                }
            }
        }
    }
    Ok(results)
}

#[cfg(test)]
mod tests {
    use super::*;
    use futures_util::FutureExt;
    use opcua::types::StatusCode;
    use proptest::prelude::*;
    use std::{cell::RefCell, future::ready};

    fn refusal(code: StatusCode) -> Error {
        Error::Refused { service: "Read", code: Code::from(code) }
    }

    #[test]
    fn the_least_of_what_is_wanted_said_and_seen_counts() {
        let learned = Learned::new(&OpcUaLimits { read: Some(500), ..OpcUaLimits::default() });
        assert_eq!((learned.cap(Operation::Read), learned.cap(Operation::Write)), (500, 1000));
        learned.server_says(Operation::Read, 0);
        learned.server_says(Operation::Write, 7);
        assert_eq!((learned.cap(Operation::Read), learned.cap(Operation::Write)), (500, 7));
        let code = Code::from(StatusCode::BadTooManyOperations);
        let large = Code::from(StatusCode::BadEncodingLimitsExceeded);
        assert!(learned.refused(Operation::Read, 450, large));
        assert_eq!((learned.cap(Operation::Read), learned.takes(Operation::Read)), (225, 500));
        assert!(learned.refused(Operation::Read, 500, code) && learned.refused(Operation::Read, 400, code));
        assert_eq!((learned.cap(Operation::Read), learned.takes(Operation::Read)), (200, 399));
        assert!(!learned.refused(Operation::Read, 200, Code::from(StatusCode::BadUserAccessDenied)));
        assert!(!learned.refused(Operation::Read, 1, code));
        assert_eq!((learned.cap(Operation::Read), learned.takes(Operation::Read)), (200, 399));
        learned.server_says(Operation::Read, 300);
        assert_eq!((learned.cap(Operation::Read), learned.takes(Operation::Read)), (200, 300));
        learned.forget();
        assert_eq!((learned.cap(Operation::Read), learned.takes(Operation::Read)), (300, 300));
    }
    #[test]
    fn what_was_refused_is_kept_and_what_was_only_said_is_not() {
        let learned = Learned::new(&OpcUaLimits::default());
        learned.server_says(Operation::Write, 7);
        assert_eq!(learned.kept(), Json::Null);
        learned.refused(Operation::Items, 9, Code::from(StatusCode::BadTooManyOperations));
        let again = Learned::new(&OpcUaLimits::default());
        for nonsense in [Json::from(7), serde_json::json!({"Read": 0, "Write": -1, "Items": "x"})] {
            again.recall(&nonsense);
            assert_eq!(again.kept(), Json::Null);
        }
        again.recall(&learned.kept());
        assert_eq!(again.cap(Operation::Items), 4);
        assert_eq!(in_words(&again.kept()).len(), 1);
        again.forget();
        assert_eq!((again.cap(Operation::Items), again.kept()), (1000, Json::Null));
    }
    #[test]
    fn an_answer_of_another_length_is_no_answer() {
        let learned = Learned::new(&OpcUaLimits::default());
        for results in [vec![], vec![1, 2], vec![1, 2, 3, 4]] {
            let sent = in_parts(&learned, Operation::Read, &[1, 2, 3], |_| ready(Ok(results.clone())));
            assert!(matches!(sent.now_or_never(), Some(Err(Error::Miscounted { .. }))));
        }
    }
    #[test]
    fn one_that_is_too_much_by_itself_is_an_error() {
        let learned = Learned::new(&OpcUaLimits::default());
        let refuse = |_| ready(Err::<Vec<u8>, _>(refusal(StatusCode::BadRequestTooLarge)));
        let sent = in_parts(&learned, Operation::Read, &[0; 9], refuse).now_or_never();
        assert_eq!(sent, Some(Err(refusal(StatusCode::BadRequestTooLarge))));
        assert_eq!(learned.cap(Operation::Read), 1);
    }
    proptest! {
        /// However many a server takes: each gets its own result, none is done twice, and none of its requests is refused again.
        #[test]
        fn every_one_is_done_once_whatever_the_server_takes(all in prop::collection::vec(any::<u16>(), 0..300), takes in 1..40_usize) {
            let (learned, done) = (Learned::new(&OpcUaLimits::default()), RefCell::new(vec![]));
            let mut send = |part: Vec<u16>| {
                if part.len() > takes {
                    return ready(Err(refusal(StatusCode::BadTooManyOperations)));
                }
                done.borrow_mut().extend(part.iter().copied());
                ready(Ok(part.into_iter().map(u32::from).collect::<Vec<_>>()))
            };
            let expected: Vec<u32> = all.iter().copied().map(u32::from).collect();
            let first = in_parts(&learned, Operation::Write, &all, &mut send).now_or_never();
            prop_assert_eq!(first, Some(Ok(expected)));
            prop_assert_eq!(&*done.borrow(), &all);
            prop_assert!(all.len() <= takes || (learned.cap(Operation::Write) <= takes && learned.cap(Operation::Write) * 2 + 1 > takes.min(all.len())));
        }
    }
}
