//! Processes and signals.

use corio::process::{Child, Command, create_subprocess_exec, create_subprocess_shell};
use corio::signal::{SignalKind, ctrl_c, stream};

use super::{Make, STREAM, forget, no_future, unpolled};

/// A child that has ended when the future is looked at.
async fn child() -> Child {
    create_subprocess_exec("true", [""; 0]).await.unwrap()
}

pub const TABLE: &[(&str, Make)] = unpolled! {
    "process::create_subprocess_exec" => {
        forget(create_subprocess_exec("true", [""; 0]).into_future())
    };
    "process::create_subprocess_shell" => forget(create_subprocess_shell("true").into_future());
    "process::Command::spawn" => forget(Command::new("true").spawn());
    "process::Child::wait" => {
        let child = child().await;
        let how = forget(child.wait());
        child.wait().await.unwrap();
        how
    };
    "process::Child::communicate" => {
        let mut child = child().await;
        let how = forget(child.communicate(""));
        child.wait().await.unwrap();
        how
    };
    "signal::Signals::recv" => forget(stream(SignalKind::window_change()).unwrap().recv());
    "signal::Signals as Stream" => no_future(STREAM);
    "signal::ctrl_c" => forget(ctrl_c());
};
