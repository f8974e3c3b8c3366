//! Where configuration comes from: files, or the slices of a cluster. Each hands over a whole
//! [`crate::NodeConfig`] whenever something changed.
pub mod file;
pub mod kube;
