//! Channels and queues.

use corio::sync::{Queue, broadcast, mpsc, oneshot, watch};

use super::{Make, STREAM, forget, let_go, no_future, unpolled};

const END: &str = "it is an end of the channel: who drops it wants no value, or no longer";

pub const TABLE: &[(&str, Make)] = unpolled! {
    "sync::mpsc::Receiver::recv" => forget(mpsc::channel::<u8>(1).1.recv());
    "sync::mpsc::Receiver::recv_many" => {
        forget(mpsc::channel::<u8>(1).1.recv_many(&mut Vec::new(), 2))
    };
    "sync::mpsc::Receiver as Stream" => no_future(STREAM);
    "sync::mpsc::UnboundedReceiver::recv" => forget(mpsc::unbounded::<u8>().1.recv());
    "sync::mpsc::UnboundedReceiver::recv_many" => {
        forget(mpsc::unbounded::<u8>().1.recv_many(&mut Vec::new(), 2))
    };
    "sync::mpsc::UnboundedReceiver as Stream" => no_future(STREAM);
    "sync::mpsc::Sender::send" => forget(mpsc::channel(1).0.send(1));
    "sync::mpsc::Sender::reserve" => forget(mpsc::channel::<u8>(1).0.reserve());
    "sync::mpsc::Sender::closed" => forget(mpsc::channel::<u8>(1).0.closed());
    "sync::mpsc::UnboundedSender::closed" => forget(mpsc::unbounded::<u8>().0.closed());
    "sync::oneshot::Receiver as Future" => let_go(END, oneshot::channel::<u8>().1);
    "sync::oneshot::Sender::closed" => forget(oneshot::channel::<u8>().0.closed());
    "sync::broadcast::Receiver::recv" => forget(broadcast::channel::<u8>(1).1.recv());
    "sync::watch::Receiver::changed" => forget(watch::channel(1).1.changed());
    "sync::watch::Receiver::wait_for" => forget(watch::channel(1).1.wait_for(|n| *n == 2));
    "sync::watch::Sender::closed" => forget(watch::channel(1).0.closed());

    "sync::BaseQueue::get" => forget(Queue::<u8>::new(0).get());
    "sync::BaseQueue::get_tracked" => forget(Queue::<u8>::new(0).get_tracked());
    "sync::BaseQueue::put" => forget(Queue::new(0).put(1));
    "sync::BaseQueue::join" => forget(Queue::<u8>::new(0).join());
    "sync::Items as Stream" => no_future(STREAM);
};
