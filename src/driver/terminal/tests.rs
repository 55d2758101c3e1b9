use super::*;

/// A driver's task with a screen of its own; it prints what it is told, and gives back what was typed.
struct Stage {
    slot: TerminalSlot,
    print: mpsc::Sender<&'static str>,
    typed: mpsc::Receiver<Bytes>,
    size: watch::Receiver<Option<ScreenSize>>,
}

impl Stage {
    fn new() -> Self {
        let slot = TerminalSlot::default();
        let mut audience = Audience::open(&slot);
        let (print, mut printed) = mpsc::channel(8);
        let (keys, typed) = mpsc::channel(8);
        let (sizes, size) = watch::channel(None);
        tokio::spawn(async move {
            let mut parser = vt100::Parser::<()>::default();
            loop {
                tokio::select! {
                    ask = audience.next() => match audience.take(ask) {
                        Wish::Nothing => {}
                        Wish::Picture(reply) => drop(reply.send(parser.screen().clone())),
                        Wish::Type(typed) => keys.send(typed.keys).await.expect("a reader"),
                    },
                    text = printed.recv() => {
                        let Some(text) = text else { return };
                        parser.process(<str as AsRef<[u8]>>::as_ref(text));
                        audience.painted();
                    }
                }
                sizes.send_replace(audience.size());
            }
        });
        Self { slot, print, typed, size }
    }

    async fn attach(&self, size: Option<(u16, u16)>) -> Result<Viewer, NotSeated> {
        self.slot.attach(size.map(|(rows, cols)| ScreenSize::new(rows, cols)), true).await
    }

    async fn fits(&mut self, rows: u16, cols: u16) {
        let size = Some(ScreenSize::new(rows, cols));
        self.size.wait_for(|now| *now == size).await.expect("the task lives");
    }
}

/// What a terminal shows that has printed these.
fn shown(pictures: &[Picture]) -> String {
    let mut parser = vt100::Parser::<()>::default();
    for picture in pictures {
        parser.process(&picture.bytes);
    }
    parser.screen().contents().trim().to_owned()
}

#[tokio::test(start_paused = true)]
async fn the_first_picture_is_whole_and_the_others_what_has_changed() {
    let stage = Stage::new();
    stage.print.send("hello").await.unwrap();
    let mut viewer = stage.attach(None).await.unwrap();
    let first = viewer.next().await.unwrap();
    assert!(first.is_whole);
    stage.print.send("\x1b[1;1HHELLO\x1b[5;5Hthere").await.unwrap();
    let second = viewer.next().await.unwrap();
    assert!(!second.is_whole && second.bytes.len() < first.bytes.len() + 40, "{second:?}");
    assert!(shown(&[first, second]).starts_with("HELLO"));
    drop(stage.print);
    assert_eq!(viewer.next().await, None, "its process has ended");
    assert_eq!(stage.slot.attach(None, false).await.err(), Some(NotSeated::Empty));
}

#[tokio::test(start_paused = true)]
async fn what_was_painted_over_is_not_shown_to_who_is_slow() {
    let stage = Stage::new();
    let mut viewer = stage.attach(None).await.unwrap();
    let mut pictures = vec![viewer.next().await.unwrap()];
    for text in ["\x1b[Hone  ", "\x1b[Htwo  ", "\x1b[Hthree"] {
        stage.print.send(text).await.unwrap();
    }
    tokio::task::yield_now().await;
    pictures.push(viewer.next().await.unwrap());
    assert_eq!((&*shown(&pictures), pictures.len()), ("three", 2));
    let nothing = tokio::time::timeout(std::time::Duration::from_secs(1), viewer.next()).await;
    assert!(nothing.is_err(), "{nothing:?}");
}

#[tokio::test(start_paused = true)]
async fn the_smallest_of_those_that_say_their_size_counts() {
    let mut stage = Stage::new();
    let wide = stage.attach(Some((10, 200))).await.unwrap();
    let high = stage.attach(Some((50, 80))).await.unwrap();
    let _any = stage.attach(None).await.unwrap();
    stage.fits(10, 80).await;
    assert!(wide.hands().resize(ScreenSize::new(30, 100)).await);
    stage.fits(30, 80).await;
    drop(high);
    stage.fits(30, 100).await;
}

#[tokio::test(start_paused = true)]
async fn keys_arrive_and_there_is_a_bound_to_those_who_watch() {
    let mut stage = Stage::new();
    let viewer = stage.attach(None).await.unwrap();
    assert!(viewer.hands().type_keys("abc".into()).await);
    assert_eq!(stage.typed.recv().await.unwrap(), "abc");
    let mut viewers = vec![viewer];
    while viewers.len() < VIEWERS_MAX {
        viewers.push(stage.attach(None).await.unwrap());
    }
    assert_eq!(stage.attach(None).await.err(), Some(NotSeated::Full));
    viewers.pop();
    viewers.push(stage.attach(None).await.expect("the place of the one that has left"));
}
