//! Structures kept as bytes: those of types that are not known, and in values all of them. The crate's own way makes room for as many bytes
//! as the server says there are, up to 2 GiB and before any came; where a process may not have that much it would be ended.
use opcua::types::{
    ByteString, Context, ContextOwned, DynEncodable, EncodingResult, Error, NodeId, TypeLoaderCollection,
    type_loader::{ByteStringBody, TypeLoader, TypeLoaderPriority},
};
use std::{
    io::Read,
    sync::{Arc, LazyLock},
};

/// No type is known: an object is as many bytes as it says. Decoded, a byte of it may be a hundred.
pub(crate) static RAW: LazyLock<TypeLoaderCollection> = LazyLock::new(|| {
    let mut loaders = TypeLoaderCollection::new_empty();
    loaders.add(Arc::new(Unknown));
    loaders
});

/// For values, whose objects are taken apart by the server's definitions and not by the crate.
pub(super) fn raw(owned: &ContextOwned) -> Context<'_> {
    Context::new(owned.namespaces(), &RAW, owned.options().clone())
}

/// Asked after all others, but in front of the crate's fallback.
#[derive(Debug)]
pub(super) struct Unknown;

impl TypeLoader for Unknown {
    fn load_from_binary(
        &self,
        id: &NodeId,
        stream: &mut dyn Read,
        _: &Context<'_>,
        length: Option<usize>,
    ) -> Option<EncodingResult<Box<dyn DynEncodable>>> {
        let length = length?; // without, nobody knows where it ends
        let mut bytes = vec![];
        let read = stream.take(u64::try_from(length).unwrap_or(u64::MAX)).read_to_end(&mut bytes);
        Some(match read {
            Ok(read) if read == length => Ok(Box::new(ByteStringBody::new(ByteString::from(bytes), id.clone()))),
            Ok(read) => Err(Error::decoding(format!("a structure of {length} bytes, of which {read} are there"))),
            Err(error) => Err(error.into()),
        })
    }
    fn priority(&self) -> TypeLoaderPriority {
        TypeLoaderPriority::Dynamic(u32::MAX - 1)
    }
}
