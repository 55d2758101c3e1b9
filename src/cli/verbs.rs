//! The verbs that ask a daemon, each in a file of its own, and what runs them.

use std::process::ExitCode;

use super::Failure;
use super::answer::Answer;
use super::attach::Attach;
use super::close::Close;
use super::interrupt::Interrupt;
use super::logs::Logs;
use super::reset::Reset;
use super::sessions::Sessions;
use super::show::Show;
use super::status::Status;
use super::steer::Steer;
use super::stop::Stop;
use super::tail::Tail;

/// What a shell makes of a program that was ended by SIGPIPE, as most are whose output nobody reads.
const CLOSED_PIPE: u8 = 141;

/// What a daemon is asked.
#[derive(Debug, clap::Subcommand)]
pub enum Ask {
    /// `turnmux sessions`
    Sessions(Sessions),
    /// `turnmux show`
    Show(Show),
    /// `turnmux tail`
    Tail(Tail),
    /// `turnmux attach`
    Attach(Attach),
    /// `turnmux steer`
    Steer(Steer),
    /// `turnmux interrupt`
    Interrupt(Interrupt),
    /// `turnmux answer`
    Answer(Answer),
    /// `turnmux reset`
    Reset(Reset),
    /// `turnmux close`
    Close(Close),
    /// `turnmux status`
    Status(Status),
    /// `turnmux stop`
    Stop(Stop),
    /// `turnmux logs`
    Logs(Logs),
}

impl Ask {
    /// Asks it, on a runtime of one thread, which is all that it takes, and starts sooner.
    ///
    /// # Errors
    /// When it did not come about.
    pub fn run(self) -> Result<ExitCode, Failure> {
        let runtime = tokio::runtime::Builder::new_current_thread().enable_all().build();
        let runtime = runtime.map_err(|source| Failure::Io { what: "cannot begin", source })?;
        match runtime.block_on(self.asked()) {
            Err(failure) if failure.is_closed_pipe() => Ok(CLOSED_PIPE.into()),
            ended => ended,
        }
    }

    async fn asked(self) -> Result<ExitCode, Failure> {
        let done = |()| ExitCode::SUCCESS;
        match self {
            Self::Sessions(verb) => verb.run().await.map(done),
            Self::Show(verb) => verb.run().await.map(done),
            Self::Tail(verb) => verb.run().await.map(done),
            Self::Attach(verb) => verb.run().await.map(done),
            Self::Steer(verb) => verb.run().await.map(done),
            Self::Interrupt(verb) => verb.run().await,
            Self::Answer(verb) => verb.run().await.map(done),
            Self::Reset(verb) => verb.run().await.map(done),
            Self::Close(verb) => verb.run().await.map(done),
            Self::Status(verb) => verb.run().await,
            Self::Stop(verb) => verb.run().await,
            Self::Logs(verb) => verb.run().await.map(done),
        }
    }
}
