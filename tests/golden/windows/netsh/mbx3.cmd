@echo off
rem datapath.exchange: this makes the rules of mbx3. Run it there as an administrator. mbx3-undo.cmd takes it back.
rem Windows Server 2008, roles mailbox, state enforced, scope documented, encryption as_documented, plan 38a4811ae33d.
rem It first saves the whole policy of the firewall as mbx3-before.wfw beside itself, because how the profiles were set cannot be known before.
rem It ends at the first line that fails, with code 1, and before the profiles are touched where that was a rule. It does not run twice.
setlocal EnableExtensions DisableDelayedExpansion
set "T=%SystemRoot%\System32"
set "F=HKLM\SYSTEM\CurrentControlSet\Services\SharedAccess\Parameters\FirewallPolicy"
set "FAILED="
"%T%\reg.exe" query HKU\S-1-5-19 >nul 2>&1 || (echo Run this as an administrator.& exit /b 2)
if exist "%~dp0mbx3-before.wfw" (echo mbx3.cmd has run already. Run mbx3-undo.cmd first.& exit /b 3)
"%T%\reg.exe" query "%F%" /s | "%T%\findstr.exe" /l /c:"|Name=datapath.exchange " >nul
if not errorlevel 1 (echo This host has rules of datapath.exchange already. Remove them first.& exit /b 3)
"%T%\netsh.exe" advfirewall export "%~dp0mbx3-before.wfw" || (echo DATAPATH-FAILED 1& exit /b 1)
if not exist "%~dp0mbx3-before.wfw" (echo The policy was not saved. Nothing was changed.& exit /b 4)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in management 50aecdfd" dir=in action=allow description="management" profile=any protocol=tcp localport=22,5985,5986 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 2& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in hub-to-mailbox-mapi ab2a89f4" dir=in action=allow description="hub-to-mailbox-mapi" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.131 || (echo DATAPATH-FAILED 3& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in mapi-to-mailbox 3d9c90ac" dir=in action=allow description="mapi-to-mailbox system-attendant-listener" profile=any protocol=tcp localport=RPC,135 remoteip=198.51.100.64/26 || (echo DATAPATH-FAILED 4& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in availability-cas-to-mailbox 32cfba0b" dir=in action=allow description="availability-cas-to-mailbox cas-to-mailbox-rpc" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.151 || (echo DATAPATH-FAILED 5& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 7bb2bd58" dir=in action=allow description="recipient-update-rpc system-attendant-as-mapi-client" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.21-192.0.2.22,192.0.2.141,198.51.100.241-198.51.100.242 || (echo DATAPATH-FAILED 6& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc b28b6942" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.31,192.0.2.151 || (echo DATAPATH-FAILED 7& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 2dc5ab74" dir=in action=allow description="recipient-update-rpc system-attendant-listener" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.11-192.0.2.12,192.0.2.131 || (echo DATAPATH-FAILED 8& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in recipient-update-rpc 1ea28e72" dir=in action=allow description="recipient-update-rpc system-attendant-listener um-to-mailbox" profile=any protocol=tcp localport=RPC,135 remoteip=192.0.2.41 || (echo DATAPATH-FAILED 9& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in oab-share-pull 2b512e06" dir=in action=allow description="oab-share-pull" profile=any protocol=tcp localport=445 remoteip=192.0.2.31,192.0.2.151 || (echo DATAPATH-FAILED 10& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in remote-desktop adc02d37" dir=in action=allow description="remote-desktop" profile=any protocol=tcp localport=3389 remoteip=192.0.2.250 || (echo DATAPATH-FAILED 11& exit /b 1)
"%T%\netsh.exe" advfirewall firewall add rule name="datapath.exchange in client-access-mailbox-same-site aef508fe" dir=in action=allow description="client-access-mailbox-same-site" profile=any protocol=any remoteip=192.0.2.151 || (echo DATAPATH-FAILED 12& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 13& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile logging droppedconnections enable || (echo DATAPATH-FAILED 14& exit /b 1)
"%T%\netsh.exe" advfirewall set domainprofile state on || (echo DATAPATH-FAILED 15& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 16& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile logging droppedconnections enable || (echo DATAPATH-FAILED 17& exit /b 1)
"%T%\netsh.exe" advfirewall set privateprofile state on || (echo DATAPATH-FAILED 18& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile firewallpolicy blockinbound,allowoutbound || (echo DATAPATH-FAILED 19& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile logging droppedconnections enable || (echo DATAPATH-FAILED 20& exit /b 1)
"%T%\netsh.exe" advfirewall set publicprofile state on || (echo DATAPATH-FAILED 21& exit /b 1)
"%T%\reg.exe" export "HKLM\SOFTWARE\Microsoft\Rpc\Internet" "%~dp0mbx3-registry-1.reg" >nul 2>&1
>>"%~dp0mbx3-dynamicport.txt" "%T%\netsh.exe" int ipv4 show dynamicport tcp || (echo DATAPATH-FAILED 22& exit /b 1)
>>"%~dp0mbx3-dynamicport.txt" "%T%\netsh.exe" int ipv6 show dynamicport tcp || (echo DATAPATH-FAILED 23& exit /b 1)
"%T%\reg.exe" add "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "Ports" /t REG_MULTI_SZ /d "20000-20999" /f || (echo DATAPATH-FAILED 24& exit /b 1)
"%T%\reg.exe" add "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "PortsInternetAvailable" /t REG_SZ /d "Y" /f || (echo DATAPATH-FAILED 25& exit /b 1)
"%T%\reg.exe" add "HKLM\SOFTWARE\Microsoft\Rpc\Internet" /v "UseInternetPorts" /t REG_SZ /d "Y" /f || (echo DATAPATH-FAILED 26& exit /b 1)
"%T%\netsh.exe" int ipv4 set dynamicport tcp start=20000 num=1000 || (echo DATAPATH-FAILED 27& exit /b 1)
"%T%\netsh.exe" int ipv6 set dynamicport tcp start=20000 num=1000 || (echo DATAPATH-FAILED 28& exit /b 1)
echo Restart this host: its range of RPC ports counts from then on.
echo DATAPATH-DONE
exit /b 0
