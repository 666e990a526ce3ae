module squall/interop/pion

go 1.19
