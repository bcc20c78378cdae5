//! The networks of two servers and of a store that both reach.

use crate::network::Network;

/// Two servers with a line between them (10.77.0.1, .2), each with another to a bridge `br0` in the
/// third network, where 10.79.0.9 is.
pub fn connect(servers: &[Network; 2], store: &Network) {
    let [vm1, vm2] = servers;
    let pid = |network: &Network| network.pid().to_string();
    store.ip(&["link set lo up", "link add br0 type bridge", "address add 10.79.0.9/24 dev br0"]);
    vm1.ip(&[
        "link set lo up",
        &format!("link add lan1 type veth peer name lan1 netns {}", pid(vm2)),
        "address add 10.77.0.1/24 dev lan1",
        "link set lan1 up",
    ]);
    vm2.ip(&["link set lo up", "address add 10.77.0.2/24 dev lan1", "link set lan1 up"]);
    for (index, network) in servers.iter().enumerate() {
        let number = index + 1;
        network.ip(&[
            &format!("link add store type veth peer name port{number} netns {}", pid(store)),
            &format!("address add 10.79.0.{number}/24 dev store"),
            "link set store up",
        ]);
        store.ip(&[
            &format!("link set port{number} master br0"),
            &format!("link set port{number} up"),
        ]);
    }
    store.ip(&["link set br0 up"]);
}
