module squall/bench/pion

go 1.19
