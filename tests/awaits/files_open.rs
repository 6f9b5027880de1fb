//! Opening, making and removing: what was made for nobody is gone, and what was to go is gone.

use corio::fs::{self, File, SpooledFile, TempBuilder, TempDir, TextFile};

use crate::driver::{Case, Make, awaits, case, until};
use crate::support::{Folder, Gate, lend, lent, settle};

/// An operation that waits for the only thread, in a folder with the file `f`; afterwards the folder
/// has what it had.
fn leaves_nothing<T: Send + 'static, F: Future<Output = std::io::Result<T>> + Send + 'static>(
    make: impl FnOnce(&Folder) -> F,
) -> Case {
    let folder = Folder::with("f", b"text");
    let gate = Gate::shut();
    let operation = make(&folder);
    let stimulus = async move { gate.open().await };
    case(operation, stimulus, async move |got: Option<std::io::Result<T>>| {
        drop(got.map(Result::unwrap));
        until("what was made is removed", || folder.names() == ["f"]).await;
        settle().await;
        assert_eq!(std::fs::read(folder.at("f")).unwrap(), b"text");
    })
}

fn builder(folder: &Folder) -> TempBuilder {
    TempBuilder::new().folder(folder.path())
}

pub const TABLE: &[(&str, Make)] = awaits! {
    "fs::open" => leaves_nothing(|folder| fs::open(folder.at("f"), "r+"));
    "fs::OpenOptions::open" => leaves_nothing(|folder| {
        File::options().read(true).write(true).open(folder.at("f"))
    });
    "fs::open_text" => leaves_nothing(|folder| {
        let open = fs::open_text(folder.at("f"), "r");
        async { open.await.map(TextFile::into_inner) }
    });
    "fs::temporary_file" => leaves_nothing(|_folder| fs::temporary_file());
    "fs::named_temporary_file" => leaves_nothing(|_folder| fs::named_temporary_file());
    "fs::temporary_directory" => leaves_nothing(|_folder| fs::temporary_directory());
    "fs::TempBuilder::unnamed" => leaves_nothing(|folder| builder(folder).unnamed());
    "fs::TempBuilder::named" => leaves_nothing(|folder| builder(folder).named());
    "fs::TempBuilder::directory" => leaves_nothing(|folder| builder(folder).directory());
    "fs::spooled_temporary_file" => leaves_nothing(|_folder| fs::spooled_temporary_file(100));

    "fs::NamedTempFile::close" => {
        let folder = Folder::new();
        let mut file = builder(&folder).named().await.unwrap();
        assert_eq!(file.write(b"new").await.unwrap(), 3);
        let (file, gate) = (lent(file), Gate::shut());
        let operation = lend!(file => file.close().await.unwrap());
        case(operation, async move { gate.open().await }, async move |_| {
            // Whoever still has the file: the drop does the rest.
            drop(file);
            until("the file is removed", || folder.names().is_empty()).await;
        })
    };
    "fs::TempDir::close" => {
        let folder = Folder::new();
        let made: TempDir = builder(&folder).directory().await.unwrap();
        let (made, gate) = (lent(made), Gate::shut());
        let operation = lend!(made => made.close().await.unwrap());
        case(operation, async move { gate.open().await }, async move |_| {
            drop(made);
            settle().await;
            assert!(folder.names().is_empty(), "the drop removes what `close` has not");
        })
    };
    "fs::SpooledFile::rollover" => {
        let mut file: SpooledFile = fs::spooled_temporary_file(100).await.unwrap();
        assert_eq!(file.write(b"new").await.unwrap(), 3);
        let (file, gate) = (lent(file), Gate::shut());
        let operation = lend!(file => file.rollover().await.unwrap());
        case(operation, async move { gate.open().await }, async move |got: Option<()>| {
            let mut file = file.try_acquire().expect("the operation is over");
            file.seek(std::io::SeekFrom::Start(0)).await.unwrap();
            assert_eq!(file.read_all().await.unwrap(), b"new");
            assert!(got.is_none() || file.is_rolled());
            file.close().await.unwrap();
        })
    };
    // A step that was not taken is the next one.
    "fs::Walk::next" => {
        let folder = Folder::with("f", b"");
        let (walk, gate) = (lent(fs::walk(folder.path())), Gate::shut());
        let operation = lend!(walk => walk.next().await.unwrap().unwrap());
        case(operation, async move { gate.open().await }, async move |got: Option<_>| {
            let mut walk = walk.try_acquire().expect("the operation is over");
            let step = match got {
                Some(step) => step,
                None => walk.next().await.unwrap().unwrap(),
            };
            assert_eq!((step.folder.as_path(), step.files.len()), (folder.path(), 1));
            assert!(walk.next().await.is_none());
        })
    };
};
