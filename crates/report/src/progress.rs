//! A run on standard error, while it goes on.

use std::fmt;
use std::io::{self, IsTerminal, Write};
use std::sync::{Arc, Mutex, MutexGuard, PoisonError};

use harness_core::{Event, Observer};
use indicatif::{ProgressBar, ProgressDrawTarget, ProgressStyle};

use crate::story::Story;

/// Shows what happens: on a terminal a live line of progress below the story, elsewhere the story alone, in
/// plain lines without colours. Standard output is never touched.
///
/// Clones share one display: give one to the engine and keep another to [`finish`](Self::finish) it.
#[derive(Clone)]
pub struct ProgressObserver(Arc<Watch>);

struct Watch {
    story: Mutex<Story>,
    display: Display,
}

enum Display {
    Live(ProgressBar),
    Lines(Mutex<Box<dyn Write + Send>>),
}

impl fmt::Debug for ProgressObserver {
    fn fmt(&self, f: &mut fmt::Formatter<'_>) -> fmt::Result {
        let display = match self.0.display {
            Display::Live(_) => "live",
            Display::Lines(_) => "lines",
        };
        f.debug_struct("ProgressObserver").field("display", &display).finish_non_exhaustive()
    }
}

impl ProgressObserver {
    /// On standard error: live when it is a terminal.
    pub fn stderr() -> Self {
        if !io::stderr().is_terminal() {
            return Self::lines(io::stderr());
        }
        let bar = ProgressBar::with_draw_target(Some(0), ProgressDrawTarget::stderr());
        // No spinner thread: the bar is redrawn when something happens, and only then.
        let style = ProgressStyle::with_template("{bar:20} {wide_msg}")
            .unwrap_or_else(|_| ProgressStyle::default_bar());
        bar.set_style(style);
        Self::with(Display::Live(bar))
    }

    /// In plain lines, wherever one likes. A line that cannot be written is lost: watching must not stop a run.
    pub fn lines(writer: impl Write + Send + 'static) -> Self {
        Self::with(Display::Lines(Mutex::new(Box::new(writer))))
    }

    /// Tells what was held back, and takes the live line away, so that what is printed next starts on a clean line.
    pub fn finish(&self) {
        self.0.finish();
    }

    fn with(display: Display) -> Self {
        Self(Arc::new(Watch { story: Mutex::default(), display }))
    }
}

impl Observer for ProgressObserver {
    fn observe(&self, event: &Event<'_>) {
        let mut story = lock(&self.0.story);
        self.0.show(&story.tell(event));
        if let Display::Live(bar) = &self.0.display {
            let (done, planned) = story.position();
            bar.set_length(planned);
            bar.set_position(done);
            bar.set_message(story.status());
        }
    }
}

impl Watch {
    fn show(&self, lines: &[String]) {
        match &self.display {
            Display::Lines(writer) => {
                let mut writer = lock(writer);
                for line in lines {
                    let _lost = writeln!(writer, "{line}");
                }
                let _lost = writer.flush();
            }
            Display::Live(bar) => lines.iter().for_each(|line| bar.println(line)),
        }
    }

    fn finish(&self) {
        let rest = lock(&self.story).rest();
        self.show(&rest);
        if let Display::Live(bar) = &self.display {
            bar.finish_and_clear();
        }
    }
}

impl Drop for Watch {
    fn drop(&mut self) {
        self.finish();
    }
}

fn lock<T>(mutex: &Mutex<T>) -> MutexGuard<'_, T> {
    // A panic elsewhere leaves at worst a wrong count on a display.
    mutex.lock().unwrap_or_else(PoisonError::into_inner)
}
