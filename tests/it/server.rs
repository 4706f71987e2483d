//! Listeners, TLS, signals, hostile clients, secrets.

mod attack;
mod listen;
mod log;
mod log_lost;
mod ops;
mod secrets;
mod secrets_ours;
mod signals;
mod tls;
mod tls_audit;
mod webhook;
