//! A child process that cannot outlive the test that started it.

use std::io;
use std::process::{Child, Command, ExitStatus};
use std::sync::mpsc::{self, Sender};
use std::sync::{Arc, Mutex};
use std::thread::{self, JoinHandle};

/// A running child; killed when dropped, and by the kernel when the test binary dies.
#[derive(Debug)]
pub(crate) struct Process {
    child: Arc<Mutex<Child>>,
    stop: Option<Sender<()>>,
    keeper: Option<JoinHandle<()>>,
}

impl Process {
    /// Starts `program`; `prepare` adds arguments, environment and files. The kernel's "parent
    /// died" signal is tied to the thread that started the child, so that thread waits here until
    /// the child ends.
    pub(crate) fn start(
        program: &str,
        prepare: impl FnOnce(&mut Command) + Send + 'static,
    ) -> io::Result<Self> {
        let mut command = Command::new("setpriv");
        command.args(["--pdeathsig", "KILL", program]);
        prepare(&mut command);
        let (stop, stopped) = mpsc::channel();
        let (started, child) = mpsc::channel();
        let keeper = thread::spawn(move || match command.spawn() {
            Ok(child) => {
                let child = Arc::new(Mutex::new(child));
                drop(started.send(Ok(Arc::clone(&child))));
                let _ = stopped.recv();
                let mut child = child.lock().unwrap();
                drop(child.kill());
                drop(child.wait());
            }
            Err(error) => drop(started.send(Err(error))),
        });
        let child = child.recv().unwrap()?;
        Ok(Self { child, stop: Some(stop), keeper: Some(keeper) })
    }

    /// Its process id.
    pub(crate) fn id(&self) -> u32 {
        self.child.lock().unwrap().id()
    }

    /// Its exit status; `None` while it runs.
    pub(crate) fn exit_status(&self) -> Option<ExitStatus> {
        self.child.lock().unwrap().try_wait().unwrap()
    }
}

impl Drop for Process {
    fn drop(&mut self) {
        self.stop = None;
        self.keeper.take().map(JoinHandle::join);
    }
}
