//! Setting turnmux up and running it: the file to begin with, the doctor, the service, and what a service manager hands over.

mod doctor;
mod handed;
mod init;
mod log;
mod machine;
mod notified;
mod pages;
mod service;
mod units;
